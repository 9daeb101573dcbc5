#include "feed.h"

#include "invocation.h"
#include "relay.h"
#include "worker.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { KEEP = 16 << 10 };

enum progress { BLOCKED, DONE, WAITING };

/* How many bytes the pipe took; 0 when it is full, and when nobody reads it any more. */
static size_t write_parts(struct worker *worker, struct span line, struct span body) {
    struct iovec parts[] = {{(void *)(uintptr_t)line.at, line.size}, {(void *)(uintptr_t)body.at, body.size}};
    ssize_t written = writev(worker->feed.fd, parts, body.size > 0 ? 2 : 1);
    worker->fed += written > 0 ? (uint64_t)written : 0;
    if (written >= 0)
        return (size_t)written;
    if (errno != EAGAIN && errno != EINTR) {
        feed_look(worker);
        feed_close(worker);
        worker_channel_closed(worker);
    }
    return 0;
}

static enum progress run_due(struct worker *worker) {
    while (buffer_size(&worker->due) > 0 && worker->feed.fd >= 0) {
        size_t written = write_parts(worker, buffer_span(&worker->due), (struct span){0});
        if (written == 0)
            return BLOCKED;
        buffer_use(&worker->due, written);
    }
    buffer_reset(&worker->due, KEEP);
    return DONE;
}

static enum progress run_event(struct worker *worker, struct invocation *invocation) {
    for (;;) {
        struct span line = buffer_span(&invocation->line);
        struct span body = span_first(invocation_body(invocation), (size_t)invocation->unfed);
        if (line.size + body.size == 0)
            return invocation->unfed > 0 ? WAITING : DONE;
        size_t written = write_parts(worker, line, body);
        if (written == 0)
            return BLOCKED;
        size_t of_line = written < line.size ? written : line.size;
        buffer_use(&invocation->line, of_line);
        invocation_use_body(invocation, written - of_line);
    }
}

static void leave_queue(struct worker *worker, struct invocation *invocation) {
    struct invocation **link = &worker->queue;
    struct invocation *before = NULL;
    while (*link != invocation) {
        before = *link;
        link = &before->following;
    }
    *link = invocation->following;
    if (worker->queue_end == invocation)
        worker->queue_end = before;
    invocation->feeding = false;
}

void feed_run(struct worker *worker) {
    enum progress progress = run_due(worker);
    while (progress == DONE && worker->queue != NULL && worker->feed.fd >= 0) {
        struct invocation *first = worker->queue;
        progress = run_event(worker, first);
        if (progress == DONE)
            leave_queue(worker, first);
        if (progress == WAITING)
            relay_go_on(first);
    }
    loop_watch(&worker->feed, progress == BLOCKED ? EPOLLOUT : 0);
}

void feed_ready(struct source *source, uint32_t events) {
    (void)events;
    feed_run(CONTAINER(source, struct worker, feed));
}

void feed_event(struct worker *worker, struct invocation *invocation) {
    invocation->following = NULL;
    invocation->feeding = true;
    if (worker->queue == NULL)
        worker->queue = invocation;
    else
        worker->queue_end->following = invocation;
    worker->queue_end = invocation;
    feed_run(worker);
}

void feed_line(struct worker *worker, struct span line) {
    buffer_add(&worker->due, line);
    frame_end_line(&worker->due, line.size, worker->client->configuration.header_block);
    feed_run(worker);
}

/* Whether the worker has seen the beginning of it. */
static bool is_begun(const struct invocation *invocation) {
    return invocation->line.start > 0 || buffer_size(&invocation->line) == 0;
}

void feed_detach(struct worker *worker, struct invocation *invocation) {
    if (!invocation->feeding)
        return;
    if (worker->queue == invocation && is_begun(invocation)) {
        buffer_add(&worker->due, buffer_span(&invocation->line));
        buffer_add(&worker->due, invocation_body(invocation));
    }
    leave_queue(worker, invocation);
}

/* Of a pipe, both ends know what is in it. A socket's end is seen by who reads it (listen.c). */
void feed_look(struct worker *worker) {
    int unread = 0;
    if (worker->fed == 0)
        worker->unheard = true;
    if (worker->feed.fd < 0 || worker->client->configuration.socket || ioctl(worker->feed.fd, FIONREAD, &unread) < 0)
        return;
    worker->unheard = unread >= 0 && (uint64_t)unread == worker->fed;
}

void feed_close(struct worker *worker) {
    if (worker->feed.fd >= 0 && worker->client->configuration.socket)
        shutdown(worker->feed.fd, SHUT_WR); /* the other descriptor of the socket is still open */
    loop_close(&worker->feed);
    buffer_reset(&worker->due, 0);
}
