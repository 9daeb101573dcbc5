#include "event.h"

#include "clock.h"
#include "feed.h"
#include "invocation.h"
#include "log.h"
#include "per_event.h"
#include "pool.h"
#include "relay.h"
#include "reply.h"
#include "worker.h"

#include <stdio.h>
#include <string.h>

enum {
    READ_AHEAD = 256 << 10, /* of a body that the worker takes more slowly than it comes */
    CHUNKS_AHEAD = 64 << 10,
    CHUNKS_KEPT = 160 << 10,
    LINE_LIMIT = FRAME_LINE_LIMIT - 64,
};

#define FIELD(name) SPAN("lambda-runtime-" name)

/* The fields of an event's head that matter, in the order of INVOKE. */
enum { REQUEST_ID, DEADLINE, FIELDS = 8 };
static const struct http_wanted fields_of_event[FIELDS] = {
    [REQUEST_ID] = {.name = FIELD("aws-request-id")}, [DEADLINE] = {.name = FIELD("deadline-ms")},
    {.name = FIELD("invoked-function-arn")},          {.name = FIELD("trace-id")},
    {.name = FIELD("aws-tenant-id")},                 {.name = FIELD("cognito-identity")},
    {.name = FIELD("client-context")},                {.name = SPAN("content-type")},
};

/* What the worker gets in INVOKE; a field that is too long for the line is left out. */
static void add_fields(struct invocation *invocation, const struct http_wanted fields[FIELDS]) {
    struct buffer *line = &invocation->fields;
    for (size_t i = 0; i < FIELDS; i++) {
        size_t before = line->end;
        frame_add_field(line, fields[i].value);
        if (buffer_size(line) <= LINE_LIMIT - invocation->client->configuration.header_block)
            continue;
        line->end = before;
        frame_add_field(line, (struct span){0});
        log_line(LOG_WARN, invocation_id(invocation), "%.*s is too long for the worker and left out",
                 PRINTED(fields[i].name));
    }
}

static void set_line(struct invocation *invocation, uint64_t size) {
    invocation->size = invocation->unfed = size;
    buffer_add(&invocation->line, SPAN("INVOKE "));
    buffer_add_number(&invocation->line, size);
    buffer_add(&invocation->line, buffer_span(&invocation->fields));
    frame_end_line(&invocation->line, buffer_size(&invocation->line), invocation->client->configuration.header_block);
}

/* An id becomes a part of a path: what would change the path is no id. */
static void set_id(struct invocation *invocation, struct span id) {
    bool good = id.size > 0 && id.size <= ID_LIMIT;
    for (size_t i = 0; good && i < id.size; i++)
        good = id.at[i] > ' ' && id.at[i] <= '~' && id.at[i] != '/' && id.at[i] != '?' && id.at[i] != '#' &&
               id.at[i] != '%';
    if (!good)
        log_fatal("the Runtime API sent an event without a proper request id: \"%.*s\"", PRINTED(id));
    for (size_t i = 0; i < id.size; i++)
        invocation->id[i] = id.at[i];
    invocation->id_size = id.size;
}

static void give_up(struct timer *timer) {
    struct invocation *invocation = CONTAINER(timer, struct invocation, give_up);
    int64_t took = clock_steady() - invocation->began;
    char text[64];
    struct worker *worker = invocation->worker;
    int size = snprintf(text, sizeof text, "Task timed out after %d.%02d seconds", (int)(took / 1000),
                        (int)(took % 1000 / 10));
    struct span message = {text, (size_t)size};
    log_line(LOG_ERROR, invocation_id(invocation), "%.*s", PRINTED(message));
    if (worker != NULL)
        worker_give_up(worker, invocation);
    reply_message(invocation, SPAN("Function.Timeout"), message);
}

/* A deadline that is none, or is years away, is left alone. */
static void set_deadline(struct invocation *invocation, struct span text) {
    uint64_t deadline = 0;
    int64_t margin = invocation->client->configuration.deadline_margin;
    invocation->began = margin > 0 ? clock_steady() : 0;
    if (margin == 0 || !span_number(text, INT64_MAX, &deadline) || deadline == 0)
        return;
    int64_t left = (int64_t)deadline - clock_real() - margin;
    invocation->give_up.fire = give_up;
    if (left < INT32_MAX)
        timer_set(&invocation->give_up, left > 0 ? left : 0);
}

/* A worker whose texts end at a NUL byte never sees one. */
static bool refuse(struct invocation *invocation) {
    static const struct span message = SPAN("the event has NUL bytes, which the language's texts cannot hold");
    struct span body = buffer_span(&invocation->event);
    if (body.size == 0 || memchr(body.at, '\0', body.size) == NULL)
        return false;
    log_line(LOG_ERROR, invocation_id(invocation), "%.*s", PRINTED(message));
    reply_message(invocation, SPAN("Runtime.UnmarshalError"), message);
    return true;
}

/* The event is complete, or its worker takes it as it comes. A worker that takes several events at once gets whole ones:
   one that comes slowly must not hold up the others. */
static void give(struct invocation *invocation) {
    struct worker *worker = pool_free_worker(invocation->client);
    const struct configuration *configuration = &invocation->client->configuration;
    bool per_event = configuration->mode == MODE_PER_EVENT;
    bool whole = per_event || configuration->text || worker == NULL || worker->capacity > 1;
    if (!invocation->complete && (whole || !invocation->answer.head.sized))
        return;
    if (configuration->text && refuse(invocation))
        return;
    if (!invocation->complete)
        invocation->connection.window = READ_AHEAD;
    if (worker != NULL)
        worker_give(worker, invocation);
    else
        pool_wait(invocation);
}

static void go_on_with_worker(struct invocation *invocation) {
    struct worker *worker = invocation->worker;
    if (invocation->feeding)
        feed_run(worker);
    worker_go_on(worker);
}

void event_completed(struct invocation *invocation) {
    if (invocation->answer.head.sized)
        buffer_swap(&invocation->event, &invocation->connection.in);
    else if (invocation->line.end == 0)
        set_line(invocation, buffer_size(&invocation->event));
    invocation->complete = true;
    invocation->phase = PHASE_OPEN;
    invocation->connection.window = 0;
    if (invocation->answer.head.close)
        connection_close(&invocation->connection);
    if (invocation->held)
        reply_send_held(invocation);
    else if (invocation->worker == NULL)
        give(invocation);
    else
        go_on_with_worker(invocation);
}

static void receive_sized(struct invocation *invocation) {
    struct buffer *in = &invocation->connection.in;
    if (buffer_size(in) > invocation->unfed)
        in->end = in->start + (size_t)invocation->unfed; /* nothing more was asked for */
    bool whole = buffer_size(in) == invocation->unfed;
    if (whole) {
        event_completed(invocation);
        return;
    }
    if (invocation->worker == NULL && !invocation->held)
        give(invocation);
    else if (invocation->feeding)
        feed_run(invocation->worker);
    if (!relay_run(invocation))
        connection_read_on(&invocation->connection);
}

static void receive_pieces(struct invocation *invocation) {
    struct span rest = buffer_span(&invocation->connection.in), piece;
    enum answer_event event;
    while ((event = answer_next(&invocation->answer, &rest, &piece)) == ANSWER_BODY) {
        buffer_add(&invocation->event, piece);
        if (buffer_size(&invocation->event) > HTTP_BODY_LIMIT)
            event = ANSWER_BAD;
    }
    buffer_reset(&invocation->connection.in, CHUNKS_KEPT);
    if (event == ANSWER_BAD)
        log_fatal("the Runtime API sent an event that is not proper HTTP (request %.*s)",
                  PRINTED(invocation_id(invocation)));
    if (event == ANSWER_END)
        event_completed(invocation);
}

void event_begin(struct invocation *invocation) {
    const struct http_head *head = &invocation->answer.head;
    struct http_wanted fields[FIELDS];
    invocation->connection.failures = 0;
    invocation->client->asking--;
    if (head->status != 200)
        log_fatal("the Runtime API answered %u when asked for an event", head->status);
    memcpy(fields, fields_of_event, sizeof fields);
    http_find(head->fields, fields, FIELDS);
    set_id(invocation, fields[REQUEST_ID].value);
    set_deadline(invocation, fields[DEADLINE].value);
    if (invocation->client->configuration.mode == MODE_PER_EVENT)
        per_event_add_variables(&invocation->fields, head->fields);
    else
        add_fields(invocation, fields);
    if (head->sized)
        set_line(invocation, head->size);
    invocation->phase = PHASE_RECEIVING;
    invocation->connection.piece = 0;
    invocation->ahead = !head->sized ? CHUNKS_AHEAD : head->size < READ_AHEAD ? (size_t)head->size : READ_AHEAD;
}

void event_receive(struct invocation *invocation) {
    if (invocation->answer.head.sized)
        receive_sized(invocation);
    else
        receive_pieces(invocation);
}
