/* Bytes that grow at the end and are used up from the start. */
#ifndef BUFFER_H
#define BUFFER_H

#include "span.h"

struct buffer {
    char *bytes;
    size_t start, end, capacity; /* the content is from start to end */
};

struct span buffer_span(const struct buffer *buffer);
size_t buffer_size(const struct buffer *buffer);
/* Where at least `more` bytes can be written; the client ends when there is no memory for them. */
char *buffer_room(struct buffer *buffer, size_t more);
/* How many bytes fit behind the content without growing. */
size_t buffer_spare(const struct buffer *buffer);
void buffer_add(struct buffer *buffer, struct span bytes);
void buffer_add_number(struct buffer *buffer, uint64_t number);
void buffer_use(struct buffer *buffer, size_t size);
/* Empties it, and gives its memory back when it is more than `keep` bytes. */
void buffer_reset(struct buffer *buffer, size_t keep);
void buffer_swap(struct buffer *one, struct buffer *other);

#endif
