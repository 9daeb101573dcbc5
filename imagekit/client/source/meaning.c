#include "meaning.h"

#include "invocation.h"
#include "json.h"
#include "log.h"
#include "pool.h"
#include "reply.h"
#include "runtime_api.h"
#include "streaming.h"
#include "worker.h"

#include <string.h>

enum { TEXT_KEPT = 16 << 10, SHOWN = 1000 };

/* Takes the place of an error whose description is larger than anybody passes on. */
static const struct span too_large = SPAN("{\"errorType\":\"Error\",\"errorMessage\":\"the description of this error "
                                          "is too large to be passed on\",\"stackTrace\":[]}");

static struct invocation *find(const struct worker *worker, struct span id) {
    struct invocation *found = worker->events;
    while (found != NULL && !span_equal(invocation_id(found), id))
        found = found->next_of_worker;
    return found;
}

/* The late answer to an event that was given up gives its place back. */
static bool take_late(struct worker *worker, struct span id) {
    struct span rest = buffer_span(&worker->given_up);
    while (rest.size > 0) {
        struct span one = span_cut(&rest, ' ');
        if (!span_equal(one, id))
            continue;
        memmove((char *)(uintptr_t)one.at, rest.at, rest.size);
        worker->given_up.end -= one.size + 1;
        worker->abandoned--;
        worker->taken--;
        return true;
    }
    return false;
}

static bool ends_answer(enum frame_type type) {
    return type == FRAME_OK || type == FRAME_ERR || type == FRAME_END || type == FRAME_FAIL;
}

/* One line for all that comes for the same id. */
static void drop(struct worker *worker) {
    struct span id = span_first(worker->frame.first, ID_LIMIT);
    struct span last = {worker->dropped, worker->dropped_size};
    if (ends_answer(worker->frame.type) && take_late(worker, id))
        pool_balance(worker->client);
    if (worker->state == WORKER_ENDING || (worker->dropped_size > 0 && span_equal(id, last)))
        return;
    memcpy(worker->dropped, id.at, id.size);
    worker->dropped_size = id.size;
    log_line(LOG_WARN, id, "the worker answered an event that is not open; that answer is dropped");
}

static void begin_stream_frame(struct worker *worker) {
    struct invocation *invocation = worker->answered;
    if (invocation->phase == PHASE_STREAMING || invocation->phase == PHASE_DISCARDING)
        worker->sink = worker->frame.type == FRAME_DATA ? SINK_STREAM : SINK_TEXT;
    else
        worker_protocol_error(worker, "the worker sent pieces of a stream that it did not begin", worker->frame.first);
}

static void begin_answer(struct worker *worker) {
    struct invocation *invocation = worker->answered;
    bool streaming = invocation->phase == PHASE_STREAMING || invocation->phase == PHASE_DISCARDING;
    if (streaming) {
        worker_protocol_error(worker, "the worker answered an event whose stream has not ended", worker->frame.first);
    } else if (invocation->held) {
        worker->answered = NULL;
        drop(worker);
    } else if (worker->frame.type == FRAME_ERR) {
        worker->sink = SINK_TEXT;
    } else if (worker->frame.type == FRAME_OK && worker->frame.size <= API_ANSWER_LIMIT) {
        worker->sink = SINK_ANSWER;
        if (worker->frame.size > buffer_size(&worker->in)) /* it comes in several pieces */
            buffer_room(&invocation->reply, (size_t)worker->frame.size);
    }
}

static void say_ready(struct worker *worker) {
    uint64_t capacity = 1;
    if (worker->frame.first.at != NULL && (!span_number(worker->frame.first, UINT32_MAX, &capacity) || capacity == 0)) {
        worker_protocol_error(worker, "the worker is ready for a number of events that is none", worker->frame.first);
        return;
    }
    if (worker->state != WORKER_STARTING)
        return;
    worker->capacity = capacity > MOST_EVENTS ? MOST_EVENTS : (unsigned)capacity;
    worker->said_ready = true;
    worker->state = WORKER_READY;
    pool_worker_ready(worker);
}

static void say_bye(struct worker *worker) {
    if (worker->state == WORKER_STARTING)
        worker_protocol_error(worker, "the worker said BYE before READY", (struct span){0});
    else if (worker->state == WORKER_READY)
        worker_leave(worker);
}

void meaning_begin(struct worker *worker) {
    enum frame_type type = worker->frame.type;
    struct span field = type == FRAME_INITERR ? worker->frame.first : worker->frame.second; /* it is about no id */
    worker->field_size = frame_decode(field, worker->field, sizeof worker->field).size;
    worker->left = worker->frame.size;
    worker->sink = type == FRAME_INITERR ? SINK_TEXT : SINK_NONE;
    worker->answered = NULL;
    worker->in_frame = true;
    buffer_reset(&worker->text, TEXT_KEPT);
    if (type == FRAME_READY)
        say_ready(worker);
    if (type == FRAME_BYE)
        say_bye(worker);
    if (type < FRAME_OK)
        return;
    worker->answered = worker->state == WORKER_ENDING ? NULL : find(worker, worker->frame.first);
    if (worker->answered == NULL) {
        drop(worker);
        return;
    }
    worker->dropped_size = 0;
    if (type == FRAME_DATA || type == FRAME_END || type == FRAME_FAIL)
        begin_stream_frame(worker);
    else
        begin_answer(worker);
}

static void init_failed(struct worker *worker, struct span type) {
    struct span body = worker->frame.size > ERROR_LIMIT ? too_large : buffer_span(&worker->text);
    struct span message = json_member(body, SPAN("errorMessage"));
    struct span shown = span_first(message.size > 0 ? message : body, SHOWN);
    if (worker->state != WORKER_STARTING) {
        worker_protocol_error(worker, "the worker said INITERR after READY", (struct span){0});
        return;
    }
    pool_start_failed(worker->client, reply_type(type), body, shown);
    if (worker->client->stage < STAGE_LEAVING)
        worker_replace(worker);
}

static struct span content_type(const struct worker *worker, struct span field) {
    for (size_t i = 0; i < field.size; i++)
        if (field.at[i] < ' ' || field.at[i] > '~')
            return worker->client->content_type; /* it would make header lines of its own */
    return field.size > 0 ? field : worker->client->content_type;
}

static void finish_error(struct worker *worker, struct invocation *invocation, struct span type) {
    reply_error(invocation, reply_type(type), worker->frame.size > ERROR_LIMIT ? too_large : buffer_span(&worker->text));
}

static void begin_stream(struct worker *worker, struct invocation *invocation, struct span field) {
    if (!invocation->complete) {
        worker->stream_due = true; /* the event's end comes first: one connection, one thing at a time */
        worker_pause(worker);
        invocation_hurry(invocation);
        return;
    }
    streaming_begin(invocation, content_type(worker, field));
}

static void finish_answer(struct worker *worker, struct invocation *invocation, struct span body) {
    struct span field = {worker->field, worker->field_size};
    switch (worker->frame.type) {
    case FRAME_OK:
        if (worker->frame.size > API_ANSWER_LIMIT)
            reply_too_large(invocation, "", worker->frame.size);
        else
            reply_response(invocation, content_type(worker, field), body);
        break;
    case FRAME_STREAM:
        begin_stream(worker, invocation, field);
        break;
    case FRAME_END:
        streaming_end(invocation);
        break;
    case FRAME_ERR:
    case FRAME_FAIL:
        finish_error(worker, invocation, field);
        break;
    case FRAME_DATA:
    case FRAME_READY:
    case FRAME_INITERR:
    case FRAME_BYE:
    case FRAME_OTHER:
        break;
    }
}

void meaning_finish(struct worker *worker, struct span body) {
    struct invocation *invocation = worker->answered;
    worker->in_frame = false;
    worker->sink = SINK_NONE;
    if (worker->frame.type == FRAME_INITERR)
        init_failed(worker, (struct span){worker->field, worker->field_size});
    else if (invocation != NULL)
        finish_answer(worker, invocation, body);
}

void meaning_begin_stream(struct worker *worker) {
    worker->stream_due = false;
    begin_stream(worker, worker->answered, (struct span){worker->field, worker->field_size});
}
