#include "relay.h"

#include "event.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

enum { FIRST_READ = 16 << 10, LEAST = 8 << 10 };

size_t relay_first_read(const struct client *client) {
    const struct configuration *configuration = &client->configuration;
    return configuration->mode == MODE_WORKER && !configuration->socket ? FIRST_READ : 0;
}

/* All that has come is written, and only the rest of this event is to follow. */
static bool is_next(const struct invocation *invocation) {
    const struct worker *worker = invocation->worker;
    return invocation->phase == PHASE_RECEIVING && invocation->feeding && !invocation->held &&
           worker->queue == invocation && worker->feed.fd >= 0 && buffer_size(&worker->due) == 0 &&
           buffer_size(&invocation->line) == 0 && buffer_size(&invocation->connection.in) == 0 &&
           relay_first_read(invocation->client) > 0;
}

/* EAGAIN does not say which end it is about. */
static bool is_full(int pipe) {
    struct pollfd wanted = {.fd = pipe, .events = POLLOUT};
    return poll(&wanted, 1, 0) == 0;
}

static void wait_for_room(struct invocation *invocation) {
    invocation->connection.blocked = true;
    connection_read_on(&invocation->connection);
    loop_watch(&invocation->worker->feed, EPOLLOUT);
}

bool relay_run(struct invocation *invocation) {
    struct connection *connection = &invocation->connection;
    if (!is_next(invocation) || invocation->unfed < LEAST)
        return false;
    while (invocation->unfed > 0) {
        int pipe = invocation->worker->feed.fd;
        ssize_t moved = splice(connection->source.fd, NULL, pipe, NULL, (size_t)invocation->unfed, SPLICE_F_NONBLOCK);
        if (moved <= 0) {
            if (moved == 0 || (errno != EAGAIN && errno != EINTR))
                return false; /* the connection's end, the pipe's, or a system without it: reading and writing tell */
            if (errno == EAGAIN && is_full(pipe))
                wait_for_room(invocation);
            return true;
        }
        invocation->worker->fed += (uint64_t)moved;
        invocation->unfed -= (uint64_t)moved;
    }
    event_completed(invocation);
    return true;
}

void relay_go_on(struct invocation *invocation) {
    if (!invocation->connection.blocked)
        return;
    invocation->connection.blocked = false;
    connection_read_on(&invocation->connection);
}
