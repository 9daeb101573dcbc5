/* A worker (docs/frames.md) that answers each event with itself, or, with a number, with a stream of so many bytes. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIECE 60000
#define INVOKE "INVOKE "

static int in, out;
static char *buffer;
static size_t have, room = 65536;

static void write_all(const char *head, const char *body, size_t size)
{
    struct iovec parts[2] = {{(char *)head, strlen(head)}, {(char *)body, size}};
    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t sent = writev(out, parts, 2);
        if (sent < 0)
            _exit(1);
        size_t of_head = (size_t)sent < parts[0].iov_len ? (size_t)sent : parts[0].iov_len;
        parts[0].iov_base = (char *)parts[0].iov_base + of_head;
        parts[0].iov_len -= of_head;
        parts[1].iov_base = (char *)parts[1].iov_base + ((size_t)sent - of_head);
        parts[1].iov_len -= (size_t)sent - of_head;
    }
}

/* Reads more; the end of the channel is the end. */
static void more(size_t wanted)
{
    if (wanted > room)
        buffer = realloc(buffer, room = wanted);
    ssize_t size = read(in, buffer + have, room - have);
    if (size <= 0)
        _exit(0);
    have += (size_t)size;
}

static void stream(const char *id, size_t left)
{
    static char piece[PIECE];
    char head[256];
    memset(piece, 'x', sizeof piece);
    snprintf(head, sizeof head, "STREAM 0 %s application/octet-stream\n", id);
    write_all(head, NULL, 0);
    for (size_t size; left > 0; left -= size) {
        size = left < PIECE ? left : PIECE;
        snprintf(head, sizeof head, "DATA %zu %s\n", size, id);
        write_all(head, piece, size);
    }
    snprintf(head, sizeof head, "END 0 %s\n", id);
    write_all(head, NULL, 0);
}

static void serve(size_t streamed)
{
    char *end;
    while ((end = memchr(buffer, '\n', have)) == NULL)
        more(have + 1);
    size_t head = (size_t)(end - buffer) + 1, size = 0;
    char id[128] = "", answer[256], *rest = buffer + sizeof INVOKE - 1;
    bool invoked = memcmp(buffer, INVOKE, sizeof INVOKE - 1) == 0;
    if (invoked) {
        size = strtoull(rest, &rest, 10);
        snprintf(id, sizeof id, "%.*s", (int)strcspn(rest + 1, " \n"), rest + 1);
    }
    while (have < head + size)
        more(head + size);
    if (invoked && streamed > 0) {
        stream(id, streamed);
    } else if (invoked) {
        snprintf(answer, sizeof answer, "OK %zu %s\n", size, id);
        write_all(answer, buffer + head, size);
    }
    have -= head + size;
    memmove(buffer, buffer + head + size, have);
}

int main(int argc, char **argv)
{
    const char *channel = getenv("IMAGEKIT_FDS");
    if (channel == NULL || sscanf(channel, "%d,%d", &in, &out) != 2)
        return 1;
    buffer = malloc(room);
    write_all("READY 0\n", NULL, 0);
    for (;;)
        serve(argc > 1 ? strtoull(argv[1], NULL, 10) : 0);
}
