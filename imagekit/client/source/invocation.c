#include "invocation.h"

#include "event.h"
#include "log.h"
#include "pool.h"
#include "relay.h"
#include "reply.h"
#include "runtime_api.h"
#include "worker.h"

enum {
    KEEP_ALONE = 160 << 10, /* each of three buffers: events of 100 KB need no new memory each time */
    KEEP_AMONG_MANY = 16 << 10,
};

struct span invocation_body(const struct invocation *invocation) {
    bool gathered = invocation->complete || !invocation->answer.head.sized;
    return buffer_span(gathered ? &invocation->event : &invocation->connection.in);
}

void invocation_use_body(struct invocation *invocation, size_t size) {
    bool gathered = invocation->complete || !invocation->answer.head.sized;
    buffer_use(gathered ? &invocation->event : &invocation->connection.in, size);
    invocation->unfed -= size;
    if (!gathered)
        connection_read_on(&invocation->connection);
}

void invocation_hurry(struct invocation *invocation) {
    invocation->connection.window = 0;
    invocation->connection.blocked = false;
    connection_read_on(&invocation->connection);
}

/* The restore is over: workers make themselves ready again. */
static void begin_after_restore(struct invocation *invocation) {
    struct client *client = invocation->client;
    unsigned status = invocation->answer.head.status;
    invocation->connection.failures = 0;
    if (status != 200)
        log_fatal("the Runtime API answered %u when asked for the restore", status);
    connection_close(&invocation->connection); /* what was connected before the snapshot is gone in any case */
    invocation_rest(invocation);
    worker_restore_all(client);
}

static bool receive_head(struct invocation *invocation) {
    struct buffer *in = &invocation->connection.in;
    struct span rest = buffer_span(in), piece;
    size_t before = rest.size;
    enum answer_event event = answer_next(&invocation->answer, &rest, &piece);
    if (event == ANSWER_BAD)
        log_fatal("the Runtime API sent what is not HTTP when asked for an event");
    if (event == ANSWER_HEAD && invocation->client->stage == STAGE_RESTORING) {
        begin_after_restore(invocation);
        return false;
    }
    if (event == ANSWER_HEAD)
        event_begin(invocation);
    buffer_use(in, before - rest.size);
    if (event == ANSWER_HEAD && invocation->ahead > buffer_size(in))
        buffer_room(in, invocation->ahead - buffer_size(in));
    return event == ANSWER_HEAD;
}

static void received(struct connection *connection) {
    struct invocation *invocation = CONTAINER(connection, struct invocation, connection);
    switch (invocation->phase) {
    case PHASE_ASKING:
        if (!receive_head(invocation))
            return;
        break;
    case PHASE_RECEIVING:
        break;
    case PHASE_STREAMING:
    case PHASE_REPLYING:
        reply_received(invocation);
        return;
    case PHASE_RESTING:
    case PHASE_OPEN:
    case PHASE_DISCARDING:
        connection_close(connection); /* nobody asked for anything */
        return;
    }
    event_receive(invocation);
}

static bool taken(struct connection *connection) {
    return relay_run(CONTAINER(connection, struct invocation, connection));
}

static void ask_again(struct invocation *invocation) {
    struct connection *connection = &invocation->connection;
    bool begun = buffer_size(&connection->in) > 0 || invocation->answer.scanned > 0;
    bool restore = invocation->client->stage == STAGE_RESTORING;
    if (begun)
        log_line(LOG_WARN, (struct span){0}, "the connection ended in the head of an event; the Runtime API is asked again");
    connection_close(connection);
    if (connection->failures > 0 && !connection_back_off(connection))
        log_fatal("the Runtime API ends every connection without an answer");
    connection->failures += connection->failures == 0;
    invocation->answer = (struct answer){0};
    if (restore)
        api_ask_restored(connection);
    else
        api_ask_next(connection);
}

/* The worker may have got a part of it, and waits for a rest that never comes. */
static void cut_short(struct invocation *invocation) {
    static const struct span message = SPAN("the connection to the Runtime API ended in the middle of the event");
    struct worker *worker = invocation->worker;
    invocation->complete = true;
    invocation->phase = PHASE_OPEN;
    invocation->told = true;
    log_line(LOG_ERROR, invocation_id(invocation), "%.*s", PRINTED(message));
    if (invocation->held) {
        reply_send_held(invocation);
        return;
    }
    if (worker != NULL)
        worker_replace(worker);
    reply_message(invocation, SPAN("Runtime.TruncatedEvent"), message);
}

static void ended(struct connection *connection) {
    struct invocation *invocation = CONTAINER(connection, struct invocation, connection);
    if (invocation->phase == PHASE_ASKING)
        ask_again(invocation);
    else if (invocation->phase == PHASE_RECEIVING && answer_ends_with_connection(&invocation->answer))
        event_completed(invocation);
    else if (invocation->phase == PHASE_RECEIVING)
        cut_short(invocation);
    else if (invocation->phase == PHASE_REPLYING || invocation->phase == PHASE_STREAMING)
        reply_connection_ended(invocation);
    else
        connection_close(connection);
}

static void drained(struct connection *connection) {
    struct invocation *invocation = CONTAINER(connection, struct invocation, connection);
    if (invocation->phase == PHASE_STREAMING && invocation->worker != NULL)
        worker_go_on(invocation->worker);
}

static void unreachable(struct connection *connection) {
    (void)connection;
    log_fatal("the Runtime API does not take connections at %s", api_host());
}

static void push_resting(struct invocation *invocation) {
    invocation->following = invocation->client->resting;
    invocation->client->resting = invocation;
    invocation->phase = PHASE_RESTING;
}

void invocation_open(struct client *client, struct invocation *invocation) {
    invocation->client = client;
    invocation->connection = (struct connection){
        .source.fd = -1,
        .taken = taken,
        .received = received,
        .ended = ended,
        .drained = drained,
        .unreachable = unreachable,
    };
    push_resting(invocation);
}

static void begin_asking(struct invocation *invocation) {
    invocation->client->resting = invocation->following;
    invocation->phase = PHASE_ASKING;
    invocation->connection.piece = relay_first_read(invocation->client);
    invocation->answer = (struct answer){0};
    invocation->complete = invocation->held = invocation->last_on_connection = invocation->told = false;
}

void invocation_ask(struct invocation *invocation) {
    begin_asking(invocation);
    invocation->client->asking++;
    api_ask_next(&invocation->connection);
}

void invocation_ask_restored(struct invocation *invocation) {
    begin_asking(invocation);
    api_ask_restored(&invocation->connection);
}

void invocation_rest(struct invocation *invocation) {
    struct client *client = invocation->client;
    size_t keep = client->concurrency == 1 ? KEEP_ALONE : KEEP_AMONG_MANY;
    timer_stop(&invocation->give_up);
    invocation->worker = NULL;
    buffer_reset(&invocation->connection.in, keep);
    buffer_reset(&invocation->event, keep);
    buffer_reset(&invocation->reply, keep);
    buffer_reset(&invocation->fields, KEEP_AMONG_MANY);
    buffer_reset(&invocation->line, KEEP_AMONG_MANY);
    buffer_reset(&invocation->head, KEEP_AMONG_MANY);
    push_resting(invocation);
    pool_balance(client);
}
