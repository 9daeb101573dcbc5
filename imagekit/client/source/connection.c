#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    LEAST_READ = 16 << 10,
    TRIES = 10,
    FIRST_WAIT = 5, /* milliseconds, doubled each time: 2.5 seconds in all */
    SYN_RETRIES = 3, /* 15 seconds for an address that does not answer at all */
};

static struct address target;

void connection_set_address(const struct address *address) {
    target = *address;
}

size_t connection_unsent(const struct connection *connection) {
    return buffer_size(&connection->out) + buffer_size(&connection->body);
}

static void watch(struct connection *connection) {
    bool full = connection->window > 0 && buffer_size(&connection->in) >= connection->window;
    bool reads = !full && !connection->blocked;
    bool writes = connection->state == CONNECTION_OPENING || connection_unsent(connection) > 0;
    loop_watch(&connection->source, (reads ? (uint32_t)(EPOLLIN | EPOLLRDHUP) : 0) | (writes ? (uint32_t)EPOLLOUT : 0));
}

void connection_read_on(struct connection *connection) {
    if (connection->state == CONNECTION_OPEN)
        watch(connection);
}

static void disconnect(struct connection *connection) {
    loop_close(&connection->source);
    connection->state = CONNECTION_NONE;
    connection->blocked = false;
}

void connection_close(struct connection *connection) {
    timer_stop(&connection->again);
    disconnect(connection);
    buffer_reset(&connection->in, LEAST_READ);
    buffer_reset(&connection->out, LEAST_READ);
    buffer_reset(&connection->body, 0);
}

bool connection_back_off(struct connection *connection) {
    if (++connection->failures >= TRIES)
        return false;
    timer_set(&connection->again, FIRST_WAIT << (connection->failures - 1));
    return true;
}

static void end(struct connection *connection) {
    disconnect(connection);
    connection->ended(connection);
}

static void refused(struct connection *connection) {
    disconnect(connection);
    if (!connection_back_off(connection))
        connection->unreachable(connection);
}

static struct iovec part(struct span bytes) {
    return (struct iovec){(void *)(uintptr_t)bytes.at, bytes.size};
}

/* Sends what is kept; false when the connection does not take it and never will. */
static bool flush(struct connection *connection) {
    while (connection_unsent(connection) > 0) {
        struct span head = buffer_span(&connection->out), body = buffer_span(&connection->body);
        struct iovec parts[] = {part(head), part(body)};
        ssize_t sent = writev(connection->source.fd, parts, 2);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        size_t of_head = (size_t)sent < head.size ? (size_t)sent : head.size;
        buffer_use(&connection->out, of_head);
        buffer_use(&connection->body, (size_t)sent - of_head);
    }
    buffer_reset(&connection->out, LEAST_READ);
    buffer_reset(&connection->body, 0);
    return true;
}

/* An answer may have come although it takes no more: whoever refuses a large body answers and closes. Reading tells. */
static void forget_unsent(struct connection *connection) {
    buffer_reset(&connection->out, LEAST_READ);
    buffer_reset(&connection->body, 0);
}

static void flush_or_forget(struct connection *connection) {
    if (!flush(connection))
        forget_unsent(connection);
    watch(connection);
}

static void opened(struct connection *connection) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(connection->source.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        refused(connection);
        return;
    }
    connection->state = CONNECTION_OPEN;
    flush_or_forget(connection);
}

static void read_some(struct connection *connection) {
    struct buffer *in = &connection->in;
    if (connection->taken != NULL && connection->taken(connection))
        return;
    bool moves = in->start > 0 && buffer_spare(in) < LEAST_READ;
    char *to = buffer_room(in, moves || buffer_spare(in) == 0 ? LEAST_READ : 1);
    bool cut = connection->piece > 0 && connection->piece < buffer_spare(in);
    ssize_t got = read(connection->source.fd, to, cut ? connection->piece : buffer_spare(in));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        end(connection);
        return;
    }
    connection->in.end += (size_t)got;
    connection->received(connection);
}

static void ready(struct source *source, uint32_t events) {
    struct connection *connection = CONTAINER(source, struct connection, source);
    if (connection->state == CONNECTION_OPENING) {
        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
            opened(connection);
        return;
    }
    if ((events & EPOLLOUT) != 0 && connection_unsent(connection) > 0) {
        flush_or_forget(connection);
        if (connection_unsent(connection) == 0)
            connection->drained(connection);
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0 && connection->source.fd >= 0)
        read_some(connection);
}

static void try_again(struct timer *timer) {
    connection_open(CONTAINER(timer, struct connection, again));
}

void connection_open(struct connection *connection) {
    if (connection->state != CONNECTION_NONE || connection->again.due != 0)
        return;
    int one = 1, retries = SYN_RETRIES;
    int fd = socket(target.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    connection->again.fire = try_again;
    connection->source = (struct source){.fd = fd, .ready = ready};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &retries, sizeof retries);
    if (fd < 0 || (connect(fd, (struct sockaddr *)&target.socket, target.size) < 0 && errno != EINPROGRESS)) {
        refused(connection);
        return;
    }
    connection->state = CONNECTION_OPENING;
    watch(connection);
}

static bool sends_now(const struct connection *connection) {
    return connection->state == CONNECTION_OPEN && connection_unsent(connection) == 0;
}

/* How much was sent at once. */
static size_t send_now(struct connection *connection, struct span head, struct span body, struct span tail) {
    struct iovec parts[] = {part(head), part(body), part(tail)};
    ssize_t sent = 0;
    if (sends_now(connection))
        sent = writev(connection->source.fd, parts, tail.size > 0 ? 3 : body.size > 0 ? 2 : 1);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return head.size + body.size + tail.size; /* lost, as in forget_unsent */
    return sent < 0 ? 0 : (size_t)sent;
}

/* Keeps what is behind the first `*sent` bytes, which become less by as many as it has. */
static void keep(struct connection *connection, struct span bytes, size_t *sent) {
    size_t done = *sent < bytes.size ? *sent : bytes.size;
    buffer_add(&connection->out, span_from(bytes, done));
    *sent -= done;
}

void connection_send(struct connection *connection, struct span head, struct span body, struct span tail) {
    size_t sent = send_now(connection, head, body, tail);
    if (sent == head.size + body.size + tail.size)
        return;
    keep(connection, head, &sent);
    keep(connection, body, &sent);
    keep(connection, tail, &sent);
    connection_open(connection);
    connection_read_on(connection);
}

void connection_send_buffer(struct connection *connection, struct span head, struct buffer *body) {
    size_t sent = send_now(connection, head, buffer_span(body), (struct span){0});
    keep(connection, head, &sent);
    buffer_use(body, sent);
    if (buffer_size(body) > 0)
        buffer_swap(&connection->body, body);
    connection_open(connection);
    connection_read_on(connection);
}
