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
    free(copy);
    return 0;
}
