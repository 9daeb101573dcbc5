#include "streaming.h"

#include "invocation.h"
#include "json.h"
#include "pool.h"
#include "runtime_api.h"
#include "worker.h"

#include <stdio.h>

enum {
    AHEAD_OF_MANY = 1 << 20, /* bytes that wait for one caller before the others have to wait too */
    TRAILER_BODY = 2700,     /* servers take trailers of 4 KiB; base64 makes 4 bytes of 3 */
    TRAILER_TYPE = 256,
    TRAILER_MESSAGE = 1800,
};

static const struct span nothing = {"", 0};

void streaming_begin(struct invocation *invocation, struct span content_type) {
    struct buffer *head = &invocation->head;
    invocation->phase = PHASE_STREAMING;
    invocation->answer = (struct answer){0};
    api_add_stream_head(head, invocation_id(invocation), content_type);
    process_pass_errors(&invocation->worker->process);
    connection_send(&invocation->connection, buffer_span(head), nothing, nothing);
    buffer_reset(head, (size_t)-1);
}

bool streaming_piece(struct invocation *invocation, struct span bytes) {
    char size[24];
    struct connection *connection = &invocation->connection;
    size_t most = invocation->worker->capacity > 1 ? AHEAD_OF_MANY : 0;
    if (invocation->phase != PHASE_STREAMING || bytes.size == 0)
        return false;
    int length = snprintf(size, sizeof size, "%zx\r\n", bytes.size);
    connection_send(connection, (struct span){size, (size_t)length}, bytes, SPAN("\r\n"));
    return connection_unsent(connection) > most;
}

/* The worker is done with it; what is left is between the client and the Runtime API. */
static void leave_worker(struct invocation *invocation) {
    timer_stop(&invocation->give_up);
    if (invocation->worker == NULL)
        return;
    process_pass_errors(&invocation->worker->process);
    worker_release(invocation->worker, invocation);
}

static void end_with(struct invocation *invocation, struct span end) {
    bool discarding = invocation->phase == PHASE_DISCARDING;
    struct worker *worker = invocation->worker;
    leave_worker(invocation);
    if (discarding) {
        invocation_rest(invocation);
    } else {
        invocation->phase = PHASE_REPLYING;
        connection_send(&invocation->connection, end, nothing, nothing);
        pool_balance(invocation->client);
    }
    worker_go_on(worker);
}

void streaming_end(struct invocation *invocation) {
    end_with(invocation, SPAN("0\r\n\r\n"));
}

/* A description that is too large for trailers loses its stack trace, and the end of its message. */
static void add_short_error(struct buffer *out, struct span type, struct span body) {
    struct span own_type = json_shortened(json_member(body, SPAN("errorType")), TRAILER_TYPE);
    struct span message = json_shortened(json_member(body, SPAN("errorMessage")), TRAILER_MESSAGE);
    buffer_add(out, SPAN("{\"errorType\":\""));
    buffer_add(out, own_type.size > 0 ? own_type : type);
    buffer_add(out, SPAN("\",\"errorMessage\":\""));
    buffer_add(out, message);
    buffer_add(out, SPAN("\",\"stackTrace\":[]}"));
}

/* After such an end the connection is closed: so Lambda wants it. */
void streaming_fail(struct invocation *invocation, struct span type, struct span body) {
    struct buffer end = {0}, error = {0};
    if (body.size <= TRAILER_BODY)
        buffer_add(&error, body);
    else
        add_short_error(&error, type, body);
    api_add_error_trailers(&end, type, buffer_span(&error));
    invocation->last_on_connection = true;
    end_with(invocation, buffer_span(&end));
    buffer_reset(&end, 0);
    buffer_reset(&error, 0);
}

void streaming_discard(struct invocation *invocation) {
    struct worker *worker = invocation->worker;
    connection_close(&invocation->connection);
    invocation->phase = PHASE_DISCARDING;
    worker_go_on(worker);
}
