/* Bytes that lie somewhere else, and what all parsers need to look at them. Pure. */
#ifndef SPAN_H
#define SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const char *at; /* NULL: absent, which is not the same as empty */
    size_t size;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})

struct span span_of(const char *text);
struct span span_from(struct span whole, size_t start);
struct span span_first(struct span whole, size_t size);
/* Without spaces and tabs around it. */
struct span span_trimmed(struct span span);
bool span_equal(struct span one, struct span other);
/* As names in HTTP are compared. */
bool span_equal_caseless(struct span one, struct span other);
bool span_begins(struct span span, struct span prefix);
/* A number without sign, of digits only, at most `limit`. */
bool span_number(struct span span, uint64_t limit, uint64_t *value);
/* Takes what is before `separator` off the front of `rest`, with the separator; the last piece is all that is left. */
struct span span_cut(struct span *rest, char separator);

#endif
