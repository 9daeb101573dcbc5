#include "answer.h"

static enum answer_event next_in_head(struct answer *answer, struct span *in) {
    do {
        size_t size = http_head_size(*in, &answer->scanned);
        if (size == 0)
            return in->size > HTTP_HEAD_LIMIT ? ANSWER_BAD : ANSWER_MORE;
        if (size > HTTP_HEAD_LIMIT || !http_parse_head(span_first(*in, size), &answer->head))
            return ANSWER_BAD;
        *in = span_from(*in, size);
        answer->scanned = 0;
    } while (answer->head.status < 200);
    answer->left = answer->head.size;
    answer->stage = ANSWER_IN_BODY;
    return ANSWER_HEAD;
}

static enum answer_event next_in_chunks(struct answer *answer, struct span *in, struct span *piece) {
    switch (http_next_chunk(&answer->chunks, in, piece)) {
    case HTTP_CHUNK_PIECE:
        return ANSWER_BODY;
    case HTTP_CHUNK_DONE:
        answer->stage = ANSWER_COMPLETE;
        return ANSWER_END;
    case HTTP_CHUNK_MORE:
        return ANSWER_MORE;
    case HTTP_CHUNK_BAD:
        break;
    }
    return ANSWER_BAD;
}

static enum answer_event next_in_body(struct answer *answer, struct span *in, struct span *piece) {
    if (answer->head.chunked)
        return next_in_chunks(answer, in, piece);
    if (answer->head.sized && answer->left == 0) {
        answer->stage = ANSWER_COMPLETE;
        return ANSWER_END;
    }
    if (in->size == 0)
        return ANSWER_MORE;
    *piece = answer->head.sized ? span_first(*in, (size_t)answer->left) : *in;
    *in = span_from(*in, piece->size);
    answer->left -= answer->head.sized ? piece->size : 0;
    return ANSWER_BODY;
}

enum answer_event answer_next(struct answer *answer, struct span *in, struct span *piece) {
    switch (answer->stage) {
    case ANSWER_IN_HEAD:
        return next_in_head(answer, in);
    case ANSWER_IN_BODY:
        return next_in_body(answer, in, piece);
    case ANSWER_COMPLETE:
        break;
    }
    return ANSWER_END;
}

bool answer_ends_with_connection(const struct answer *answer) {
    return answer->stage == ANSWER_IN_BODY && !answer->head.sized && !answer->head.chunked;
}
