/* The event that is given out again and again, and how an answer is compared with it. */
#ifndef EVENT_H
#define EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct letters {
    uint64_t count[256];
};

struct event {
    char *bytes; /* JSON without spaces */
    size_t size;
    struct letters letters;
};

/* An event of exactly so many bytes, at least 64. */
struct event event_of(size_t size);

void letters_add(struct letters *letters, const char *bytes, size_t size);

/* Whether both are the same JSON, so far as spaces and the order of keys, in which languages differ, let one see. */
bool letters_same(const struct letters *one, const struct letters *other);

#endif
