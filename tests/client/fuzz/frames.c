/* Header lines of workers, and fields of the client's own: what is encoded is read back as it was. */
#include "frames.h"

#include <stdlib.h>
#include <string.h>

static void check_field(struct span value) {
    struct buffer line = {0};
    struct frame frame;
    char *room = malloc(value.size + 1);
    buffer_add(&line, SPAN("READY 0"));
    frame_add_field(&line, value);
    if (buffer_size(&line) < FRAME_LINE_LIMIT) {
        if (!frame_parse(buffer_span(&line), &frame) || (frame.first.at == NULL) != (value.size == 0))
            abort();
        struct span decoded = frame_decode(frame.first, room, value.size);
        if (!span_equal(decoded, value))
            abort();
    }
    buffer_reset(&line, 0);
    free(room);
}

/* A line of so many bytes ends with LF, at a multiple of the block, by less than one block of spaces. */
static void check_end(struct span text, unsigned block) {
    struct buffer line = {0};
    buffer_add(&line, SPAN("before"));
    buffer_add(&line, text);
    frame_end_line(&line, text.size, block);
    struct span ended = span_from(buffer_span(&line), sizeof "before" - 1);
    size_t spaces = ended.size - text.size - 1;
    if (ended.at[ended.size - 1] != '\n' || (block == 0 ? spaces > 0 : ended.size % block > 0 || spaces >= block))
        abort();
    for (size_t i = text.size; i < ended.size - 1; i++)
        if (ended.at[i] != ' ')
            abort();
    buffer_reset(&line, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = malloc(size + 1);
    char room[64];
    struct frame frame;
    memcpy(copy, data, size);
    struct span line = {copy, size};
    if (frame_parse(line, &frame)) {
        frame_decode(frame.first, room, sizeof room);
        frame_decode(frame.second, room, sizeof room);
        frame_is_error_type(frame.second);
    }
    frame_is_error_type(line);
    check_field(line);
    check_end(line, 0);
    check_end(line, size > 0 ? (unsigned char)copy[0] : 1);
    free(copy);
    return 0;
}
