#include "span.h"

#include <string.h>

struct span span_of(const char *text) {
    return (struct span){text, text == NULL ? 0 : strlen(text)};
}

struct span span_from(struct span whole, size_t start) {
    /* Nothing may be added to NULL, not even 0 (C11, section 6.5.6); compilers make no difference. */
    return (struct span){start > 0 ? whole.at + start : whole.at, whole.size - start};
}

struct span span_first(struct span whole, size_t size) {
    return (struct span){whole.at, size < whole.size ? size : whole.size};
}

static bool blank(char byte) {
    return byte == ' ' || byte == '\t';
}

struct span span_trimmed(struct span span) {
    while (span.size > 0 && blank(span.at[0]))
        span = span_from(span, 1);
    while (span.size > 0 && blank(span.at[span.size - 1]))
        span.size--;
    return span;
}

bool span_equal(struct span one, struct span other) {
    return one.size == other.size && (one.size == 0 || memcmp(one.at, other.at, one.size) == 0);
}

static char lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

bool span_equal_caseless(struct span one, struct span other) {
    if (one.size != other.size)
        return false;
    for (size_t i = 0; i < one.size; i++)
        if (one.at[i] != other.at[i] && lower(one.at[i]) != lower(other.at[i]))
            return false;
    return true;
}

bool span_begins(struct span span, struct span prefix) {
    return span.size >= prefix.size && memcmp(span.at, prefix.at, prefix.size) == 0;
}

bool span_number(struct span span, uint64_t limit, uint64_t *value) {
    uint64_t number = 0;
    if (span.size == 0)
        return false;
    for (size_t i = 0; i < span.size; i++) {
        if (span.at[i] < '0' || span.at[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(span.at[i] - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *value = number;
    return number <= limit;
}

struct span span_cut(struct span *rest, char separator) {
    struct span piece = *rest;
    if (rest->size == 0)
        return piece;
    const char *end = memchr(rest->at, separator, rest->size);
    if (end == NULL) {
        *rest = (struct span){rest->at + rest->size, 0};
        return piece;
    }
    piece.size = (size_t)(end - rest->at);
    *rest = span_from(*rest, piece.size + 1);
    return piece;
}
