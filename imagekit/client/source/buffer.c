#include "buffer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SMALLEST = 1024, HUGE = 2 << 20 };

struct span buffer_span(const struct buffer *buffer) {
    return span_from((struct span){buffer->bytes, buffer->end}, buffer->start);
}

size_t buffer_size(const struct buffer *buffer) {
    return buffer->end - buffer->start;
}

size_t buffer_spare(const struct buffer *buffer) {
    return buffer->capacity - buffer->end;
}

/* 6 MB in pages of 4 KiB are 1,500 page faults, which take longer than the copying; that they are huge is a wish only.
   One that would stay mostly empty is not wished for. */
static char *moved_to_huge_pages(const struct buffer *buffer, size_t capacity, size_t wanted) {
    char *bytes = aligned_alloc(HUGE, capacity);
    if (bytes == NULL)
        return NULL;
    madvise(bytes, (wanted + HUGE / 2) / HUGE * HUGE, MADV_HUGEPAGE);
    if (buffer->end > 0)
        memcpy(bytes, buffer->bytes, buffer->end);
    free(buffer->bytes);
    return bytes;
}

static void grow(struct buffer *buffer, size_t wanted) {
    size_t capacity = buffer->capacity < SMALLEST ? SMALLEST : buffer->capacity;
    while (capacity < wanted)
        capacity *= 2;
    char *bytes = capacity < HUGE ? realloc(buffer->bytes, capacity) : moved_to_huge_pages(buffer, capacity, wanted);
    if (bytes == NULL)
        abort(); /* without memory there is nothing left that could be said about it */
    buffer->bytes = bytes;
    buffer->capacity = capacity;
}

char *buffer_room(struct buffer *buffer, size_t more) {
    if (buffer_spare(buffer) < more && buffer->start > 0) {
        size_t size = buffer_size(buffer);
        memmove(buffer->bytes, buffer->bytes + buffer->start, size);
        buffer->start = 0;
        buffer->end = size;
    }
    if (buffer_spare(buffer) < more)
        grow(buffer, buffer->end + more);
    return buffer->bytes == NULL ? NULL : buffer->bytes + buffer->end;
}

void buffer_add(struct buffer *buffer, struct span bytes) {
    if (bytes.size == 0)
        return;
    memcpy(buffer_room(buffer, bytes.size), bytes.at, bytes.size);
    buffer->end += bytes.size;
}

void buffer_add_number(struct buffer *buffer, uint64_t number) {
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_add(buffer, (struct span){digits + first, sizeof digits - first});
}

void buffer_use(struct buffer *buffer, size_t size) {
    buffer->start += size;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}

void buffer_reset(struct buffer *buffer, size_t keep) {
    buffer->start = buffer->end = 0;
    if (buffer->capacity <= keep)
        return;
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

void buffer_swap(struct buffer *one, struct buffer *other) {
    struct buffer kept = *one;
    *one = *other;
    *other = kept;
}
