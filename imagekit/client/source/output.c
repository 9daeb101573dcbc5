#include "output.h"

#include "buffer.h"
#include "clock.h"
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINES_LIMIT = 512 << 10,
    FULL = 1 << 20,
    KEPT_AFTERWARDS = 4096,
    WAIT_MILLISECONDS = 5000,
    STUCK_MILLISECONDS = 1000,
};

static void writable(struct source *source, uint32_t events);

static struct source source = {.fd = STDERR_FILENO, .ready = writable};
static enum { PLAIN, SOCKET, NONBLOCKING, CLOSED } kind;
static struct buffer kept;
static bool in_line; /* what was written last ends in the middle of a line */
static bool stuck; /* it took nothing for as long as an answer waits */
static void (*when_ready)(void);

/* The worker has the same open file for its stdout, so O_NONBLOCK must not be set on it: the client opens the pipe or the
   terminal once more for itself. Files never block; sockets have a flag for each call. */
void output_open(void (*ready)(void)) {
    struct stat found;
    when_ready = ready;
    if (fstat(STDERR_FILENO, &found) < 0) {
        kind = CLOSED;
    } else if (S_ISSOCK(found.st_mode)) {
        kind = SOCKET;
    } else if (S_ISFIFO(found.st_mode) || S_ISCHR(found.st_mode)) {
        int again = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (again >= 0) {
            source.fd = again;
            kind = NONBLOCKING;
        }
    }
}

bool output_takes(void) {
    return buffer_size(&kept) == 0;
}

bool output_is_full(void) {
    return buffer_size(&kept) >= FULL;
}

static ssize_t write_some(struct span bytes) {
    if (kind == SOCKET)
        return send(source.fd, bytes.at, bytes.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return write(source.fd, bytes.at, bytes.size);
}

/* How much of it is dealt with: all, once nobody reads any more. */
static size_t write_now(struct span bytes) {
    size_t done = 0;
    while (done < bytes.size && kind != CLOSED) {
        ssize_t written = write_some(span_from(bytes, done));
        if (written > 0)
            stuck = false;
        if (written >= 0)
            done += (size_t)written;
        else if (errno == EAGAIN)
            return done;
        else if (errno != EINTR)
            kind = CLOSED;
    }
    return bytes.size;
}

static void keep(struct span bytes) {
    buffer_add(&kept, bytes);
    if (bytes.size > 0)
        loop_watch(&source, EPOLLOUT);
}

void output_write(struct span bytes) {
    if (bytes.size > 0)
        in_line = bytes.at[bytes.size - 1] != '\n';
    keep(output_takes() ? span_from(bytes, write_now(bytes)) : bytes);
}

void output_line(struct span line) {
    if (buffer_size(&kept) + line.size > LINES_LIMIT)
        return;
    if (in_line)
        output_write(SPAN("\n"));
    output_write(line);
}

static void write_kept(void) {
    buffer_use(&kept, write_now(buffer_span(&kept)));
    if (output_takes())
        buffer_reset(&kept, KEPT_AFTERWARDS);
}

static void writable(struct source *ready, uint32_t events) {
    (void)events;
    write_kept();
    if (!output_takes())
        return;
    loop_watch(ready, 0);
    when_ready();
}

/* Writes as soon as it takes bytes; false when it takes none in that time. What waits for it is told by the loop. */
static bool write_within(int milliseconds) {
    struct pollfd wanted = {.fd = source.fd, .events = POLLOUT};
    if (poll(&wanted, 1, milliseconds) <= 0)
        return false;
    write_kept();
    return true;
}

bool output_flush(int milliseconds) {
    while (!output_takes() && write_within(milliseconds))
        ;
    return output_takes();
}

bool output_wait(void) {
    int64_t end = clock_steady() + WAIT_MILLISECONDS;
    while (!output_takes() && !stuck && clock_steady() < end)
        stuck = !write_within(STUCK_MILLISECONDS);
    return output_takes();
}
