#include "reply.h"

#include "invocation.h"
#include "json.h"
#include "log.h"
#include "pool.h"
#include "runtime_api.h"
#include "streaming.h"
#include "worker.h"

#include <stdio.h>

enum { CAUSE_MESSAGE = 4096, SNIPPET = 200 };

struct span reply_type(struct span type) {
    return frame_is_error_type(type) ? type : SPAN("Function.Unknown");
}

/* The worker's part in it is over. Its logs come before its answer. */
static void release(struct invocation *invocation) {
    timer_stop(&invocation->give_up);
    pool_stop_waiting(invocation);
    if (invocation->worker == NULL)
        return;
    process_pass_errors(&invocation->worker->process);
    worker_release(invocation->worker, invocation);
}

static void post(struct invocation *invocation, struct span body) {
    struct span head = buffer_span(&invocation->head);
    struct worker *worker = invocation->worker;
    release(invocation);
    invocation->phase = PHASE_REPLYING;
    invocation->answer = (struct answer){0};
    if (body.at != NULL)
        connection_send(&invocation->connection, head, body, (struct span){0});
    else
        connection_send_buffer(&invocation->connection, head, &invocation->reply);
    buffer_reset(&invocation->head, (size_t)-1);
    pool_balance(invocation->client);
    worker_go_on(worker);
}

void reply_send_held(struct invocation *invocation) {
    invocation->held = false;
    post(invocation, (struct span){0});
}

/* There is one connection for the event and its answer: the event has to come to its end first. */
static void post_or_hold(struct invocation *invocation, struct span body) {
    if (invocation->complete) {
        post(invocation, body);
        return;
    }
    timer_stop(&invocation->give_up);
    if (body.at != NULL)
        buffer_add(&invocation->reply, body);
    invocation->held = true;
    invocation_hurry(invocation);
}

void reply_response(struct invocation *invocation, struct span content_type, struct span body) {
    size_t size = body.at != NULL ? body.size : buffer_size(&invocation->reply);
    api_add_response_head(&invocation->head, invocation_id(invocation), content_type, size);
    post_or_hold(invocation, body);
}

/* X-Ray's form of an error, made of what the worker said; nothing when that is no JSON. */
static void add_cause(struct buffer *cause, const char *directory, struct span body) {
    struct span type = json_member(body, SPAN("errorType"));
    struct span message = json_shortened(json_member(body, SPAN("errorMessage")), CAUSE_MESSAGE);
    if (type.at == NULL || type.size > CAUSE_MESSAGE)
        return;
    buffer_add(cause, SPAN("{\"working_directory\":"));
    json_add_string(cause, span_of(directory));
    buffer_add(cause, SPAN(",\"exceptions\":[{\"type\":\""));
    buffer_add(cause, type);
    buffer_add(cause, SPAN("\",\"message\":\""));
    buffer_add(cause, message);
    buffer_add(cause, SPAN("\",\"stack\":[]}],\"paths\":[]}"));
}

static void add_error_head(struct invocation *invocation, struct api_error *error, struct span body) {
    struct buffer cause = {0};
    add_cause(&cause, invocation->client->directory, body);
    error->cause = buffer_span(&cause);
    error->size = body.size;
    api_add_error_head(&invocation->head, error);
    buffer_reset(&cause, 0);
}

void reply_error(struct invocation *invocation, struct span type, struct span body) {
    char path[ID_LIMIT + 32];
    if (invocation->phase == PHASE_STREAMING || invocation->phase == PHASE_DISCARDING) {
        streaming_fail(invocation, type, body);
        return;
    }
    int size = snprintf(path, sizeof path, "invocation/%.*s/error", PRINTED(invocation_id(invocation)));
    struct api_error error = {.path = {path, (size_t)size}, .type = type};
    buffer_reset(&invocation->reply, (size_t)-1);
    add_error_head(invocation, &error, body);
    post_or_hold(invocation, body.at == NULL ? SPAN("") : body);
}

void reply_message(struct invocation *invocation, struct span type, struct span message) {
    struct buffer body = {0};
    json_add_error(&body, type, message);
    reply_error(invocation, type, buffer_span(&body));
    buffer_reset(&body, 0);
}

void reply_too_large(struct invocation *invocation, const char *about, uint64_t size) {
    char text[128];
    int length = snprintf(text, sizeof text,
                          "Response payload size (%s%llu bytes) exceeded maximum allowed payload size (%d bytes).",
                          about, (unsigned long long)size, API_ANSWER_LIMIT);
    struct span message = {text, (size_t)length};
    log_line(LOG_ERROR, invocation_id(invocation), "%.*s", PRINTED(message));
    reply_message(invocation, SPAN("Function.ResponseSizeTooLarge"), message);
}

void reply_start_error(struct invocation *invocation, struct span path, struct span type, struct span body) {
    struct api_error error = {.path = path, .type = type};
    connection_close(&invocation->connection);
    if (invocation->phase == PHASE_RESTING)
        invocation->client->resting = invocation->following;
    invocation->id_size = 0;
    invocation->complete = true;
    add_error_head(invocation, &error, body);
    post(invocation, body.at == NULL ? SPAN("") : body);
}

static void judge(struct invocation *invocation, struct span rest) {
    unsigned status = invocation->answer.head.status;
    struct span snippet = span_first(rest, SNIPPET);
    if (status < 300)
        return;
    if (status >= 500) /* "Container error. Non-recoverable state. Runtime should exit promptly." */
        log_fatal("the Runtime API answered %u to the answer of request %.*s: %.*s", status,
                  PRINTED(invocation_id(invocation)), PRINTED(snippet));
    if (invocation->told)
        return;
    log_line(LOG_ERROR, invocation_id(invocation), "the Runtime API answered %u to the answer%s: %.*s", status,
             status == 413 ? ", which is too large" : "", PRINTED(snippet));
}

static void finish(struct invocation *invocation) {
    bool early = connection_unsent(&invocation->connection) > 0;
    if (early || invocation->last_on_connection || invocation->answer.head.close)
        connection_close(&invocation->connection);
    invocation_rest(invocation);
}

/* The answer has come before all was sent: what is left is of no use. */
static void finish_early(struct invocation *invocation) {
    if (invocation->phase == PHASE_STREAMING) {
        if (invocation->answer.head.status < 300)
            log_line(LOG_WARN, invocation_id(invocation), "the Runtime API ended the streamed answer early");
        streaming_discard(invocation);
    } else {
        connection_close(&invocation->connection);
        invocation_rest(invocation);
    }
}

void reply_received(struct invocation *invocation) {
    struct buffer *in = &invocation->connection.in;
    struct span rest = buffer_span(in), piece;
    enum answer_event event;
    do {
        event = answer_next(&invocation->answer, &rest, &piece);
        if (event == ANSWER_HEAD)
            judge(invocation, rest);
    } while (event == ANSWER_HEAD || event == ANSWER_BODY);
    buffer_use(in, buffer_size(in) - rest.size);
    bool answered = invocation->answer.stage != ANSWER_IN_HEAD;
    if (event == ANSWER_BAD)
        reply_connection_ended(invocation);
    else if (answered && (invocation->phase == PHASE_STREAMING || connection_unsent(&invocation->connection) > 0))
        finish_early(invocation);
    else if (event == ANSWER_END)
        finish(invocation);
}

void reply_connection_ended(struct invocation *invocation) {
    bool answered = invocation->answer.stage != ANSWER_IN_HEAD;
    if (!answered)
        log_line(LOG_ERROR, invocation_id(invocation),
                 "the connection ended before the Runtime API said that it has the answer; it is not sent again");
    if (invocation->phase == PHASE_STREAMING) {
        streaming_discard(invocation);
        return;
    }
    connection_close(&invocation->connection);
    invocation_rest(invocation);
}
