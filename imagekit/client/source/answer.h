/* An answer of the Runtime API, read piece by piece as its bytes come. Pure. */
#ifndef ANSWER_H
#define ANSWER_H

#include "http.h"

enum answer_event {
    ANSWER_MORE, /* all bytes are used up and it is not complete */
    ANSWER_HEAD, /* the head is there: `head`, whose spans hold until the bytes are given up */
    ANSWER_BODY, /* a piece of the body */
    ANSWER_END,
    ANSWER_BAD, /* these bytes are no HTTP */
};

enum answer_stage { ANSWER_IN_HEAD, ANSWER_IN_BODY, ANSWER_COMPLETE };

struct answer {
    enum answer_stage stage;
    size_t scanned;
    struct http_head head;
    uint64_t left; /* bytes of a body whose size the head tells */
    struct http_chunks chunks;
};

/* The next event; bytes are used up from the front of `in`. Heads of 1xx answers are skipped. */
enum answer_event answer_next(struct answer *answer, struct span *in, struct span *piece);
/* The connection has ended: true when that is how the end of this body is told. */
bool answer_ends_with_connection(const struct answer *answer);

#endif
