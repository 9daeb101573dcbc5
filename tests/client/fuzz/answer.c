/* Answers of the Runtime API. However their bytes are cut into pieces, they are read as the same. */
#include "answer.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS = 1 << 20 };

struct outcome {
    enum answer_event last;
    unsigned status;
    uint64_t body;
    uint32_t sum;
};

static void take_piece(struct outcome *outcome, struct span piece) {
    outcome->body += piece.size;
    for (size_t i = 0; i < piece.size; i++)
        outcome->sum = outcome->sum * 31 + (unsigned char)piece.at[i];
}

/* As the client does it: bytes gather in front of the reader, which uses them up. */
static struct outcome read_in_pieces(struct span all, size_t size) {
    struct answer answer = {0};
    struct outcome outcome = {0};
    struct span piece, in = {all.at, 0};
    for (size_t step = 0; step < STEPS; step++) {
        outcome.last = answer_next(&answer, &in, &piece);
        if (outcome.last == ANSWER_HEAD)
            outcome.status = answer.head.status;
        if (outcome.last == ANSWER_BODY)
            take_piece(&outcome, piece);
        if (outcome.last == ANSWER_BAD || outcome.last == ANSWER_END)
            return outcome;
        size_t left = (size_t)(all.at + all.size - (in.at + in.size));
        if (outcome.last == ANSWER_MORE && left == 0)
            return outcome;
        if (outcome.last == ANSWER_MORE)
            in.size += left < size ? left : size;
    }
    abort(); /* it makes no progress */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    struct span all = {copy, size};
    struct outcome whole = read_in_pieces(all, size + 1), cut = read_in_pieces(all, 1);
    if (whole.last != cut.last || whole.status != cut.status)
        abort();
    if (whole.last != ANSWER_BAD && (whole.body != cut.body || whole.sum != cut.sum))
        abort();
    free(copy);
    return 0;
}
