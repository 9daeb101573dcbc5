#include "event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD                                                                                                         \
    "{\"id\":%u,\"kind\":\"order\",\"open\":true,\"note\":null,\"amounts\":[%u,25,1200],"                              \
    "\"customer\":{\"name\":\"Ada-%u\",\"city\":\"Turin\"}},"

struct event event_of(size_t size)
{
    struct event event = {.bytes = malloc(size + 512), .size = size};
    size_t at = (size_t)sprintf(event.bytes, "{\"records\":[");
    for (unsigned number = 100000; at + 256 < size; number++)
        at += (size_t)sprintf(event.bytes + at, RECORD, number, number, number);
    at += (size_t)sprintf(event.bytes + at, "0],\"text\":\"");
    memset(event.bytes + at, 'x', size - at - 2);
    memcpy(event.bytes + size - 2, "\"}", 2);
    letters_add(&event.letters, event.bytes, size);
    return event;
}

void letters_add(struct letters *letters, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size; at++)
        letters->count[(unsigned char)bytes[at]]++;
}

bool letters_same(const struct letters *one, const struct letters *other)
{
    for (int letter = 0; letter < 256; letter++)
        if (one->count[letter] != other->count[letter] && letter != ' ' && letter != '\n')
            return false;
    return true;
}
