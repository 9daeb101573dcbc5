/* HTTP/1.1 answers: the head and chunked bodies (RFC 9112). Pure: bytes in, values out. */
#ifndef HTTP_H
#define HTTP_H

#include "span.h"

enum {
    HTTP_HEAD_LIMIT = 2 << 20,         /* client context and trace may make a head of more than 1 MiB */
    HTTP_BODY_LIMIT = 64 << 20,        /* ten times the largest event there is today */
    HTTP_CHUNK_LINE_LIMIT = 4 << 10,   /* a chunk's size with its extensions */
    HTTP_TRAILER_LIMIT = 64 << 10,
};

struct http_head {
    unsigned status;
    bool sized, chunked, close;
    uint64_t size;      /* of the body, when it is `sized` */
    struct span fields; /* the lines behind the first one */
};

/* The bytes of the head that `in` begins with, up to and with its empty line; 0 while it is not complete.
   `scanned` is what earlier calls have seen of the same bytes. */
size_t http_head_size(struct span in, size_t *scanned);
/* False when these bytes are no head of an answer. */
bool http_parse_head(struct span bytes, struct http_head *head);
/* A field that is looked for, and the first value that it has; absent when there is none. */
struct http_wanted {
    struct span name, value;
};
/* Looks for all of them at once: an event has ten of interest, and each search of its own is a pass over the whole head. */
void http_find(struct span fields, struct http_wanted *wanted, size_t count);
/* The value of one field. */
struct span http_field(struct span fields, struct span name);

enum http_chunk_stage {
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_EXTENSION,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_DATA_END,
    HTTP_CHUNK_TRAILER,
    HTTP_CHUNK_END,
};

/* Where in a chunked body a reader is; all zero at its start. */
struct http_chunks {
    enum http_chunk_stage stage;
    unsigned digits;
    uint64_t left;   /* of the present chunk */
    uint64_t total;  /* of all chunks so far */
    size_t overhead; /* bytes of the present chunk line or of the trailers */
    bool empty_line; /* no byte of the present trailer line has come */
};

enum http_chunk_result { HTTP_CHUNK_MORE, HTTP_CHUNK_PIECE, HTTP_CHUNK_DONE, HTTP_CHUNK_BAD };

/* Uses bytes up from the front of `in` until there is a piece of the body, its end, or nothing left. */
enum http_chunk_result http_next_chunk(struct http_chunks *chunks, struct span *in, struct span *piece);

#endif
