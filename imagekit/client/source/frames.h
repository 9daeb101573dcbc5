/* Frames v1 (docs/frames.md): header lines and their fields. Pure. */
#ifndef FRAMES_H
#define FRAMES_H

#include "buffer.h"

enum { FRAME_LINE_LIMIT = 65536 };

enum frame_type {
    FRAME_OTHER, /* a type that this client does not know: skipped */
    FRAME_READY,
    FRAME_INITERR,
    FRAME_BYE,
    FRAME_OK,
    FRAME_ERR,
    FRAME_STREAM,
    FRAME_DATA,
    FRAME_END,
    FRAME_FAIL,
};

struct frame {
    enum frame_type type;
    uint64_t size;      /* of the body that follows */
    struct span first;  /* fields as they came; absent when they are `-` or left out */
    struct span second;
};

/* Reads a header line, given without its LF; false when it is none. */
bool frame_parse(struct span line, struct frame *frame);
/* Adds a space and the value, percent-encoded; `-` when it is absent or empty. */
void frame_add_field(struct buffer *line, struct span value);
/* Ends a header line of so many bytes with LF, and with spaces before it that make it a multiple of `block`; 0: none. */
void frame_end_line(struct buffer *line, size_t size, unsigned block);
/* Decodes a field of a line that frame_parse took, as much as there is room for. */
struct span frame_decode(struct span field, char *room, size_t size);
/* Whether it is letters as in `Function.ValueError`, which Lambda takes (docs/frames.md). */
bool frame_is_error_type(struct span type);

#endif
