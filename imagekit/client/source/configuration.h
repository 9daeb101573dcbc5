/* bootstrap.conf (docs/runtime-client.md). Pure: bytes in, values out. */
#ifndef CONFIGURATION_H
#define CONFIGURATION_H

#include "span.h"

enum { CONFIGURATION_LIMIT = 65536, CONFIGURATION_WORDS = 1024 };

enum mode { MODE_NONE, MODE_WORKER, MODE_PER_EVENT, MODE_COMMAND };

struct configuration {
    enum mode mode;
    bool socket;   /* channel=socket */
    bool graceful; /* shutdown=graceful */
    bool text;     /* events=text */
    const char *directory;    /* NULL: not said */
    const char *content_type; /* NULL: not said */
    unsigned max_workers;     /* 0: not said */
    unsigned deadline_margin; /* milliseconds; 0: Lambda's matter */
    unsigned header_block;    /* what the length of header lines for workers is a multiple of; 0: anything */
    char *arguments[CONFIGURATION_WORDS + 1]; /* ends with NULL */
    size_t argument_count;
    char *variables[CONFIGURATION_WORDS + 1];
    size_t variable_count;
    unsigned keys_seen; /* a bit for each key that was there */
};

/* What is wrong with a configuration. */
struct mistake {
    unsigned line; /* 0: with all of it */
    const char *text;
    struct span where;
};

/* Reads `size` bytes of `text`, which has room for one byte more; values point into it, and lines are ended with NUL. */
bool configuration_parse(char *text, size_t size, struct configuration *configuration, struct mistake *mistake);

#endif
