#include "listen.h"

#include "invocation.h"
#include "json.h"
#include "log.h"
#include "pool.h"
#include "reply.h"
#include "runtime_api.h"
#include "streaming.h"
#include "worker.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    READ_SIZE = 64 << 10,
    LEAST_READ = 4 << 10,
    DIRECT = 16 << 10, /* from here on a body is read to where it belongs */
    TEXT_LIMIT = 256 << 10, /* of an error */
    LAST_READS = 64,
};

enum reading { READ_SOME, READ_NOTHING, READ_END };

/* A large answer goes where it is collected, not through `in`. */
static struct buffer *place(struct worker *worker, size_t *wanted) {
    *wanted = READ_SIZE;
    if (worker->sink != SINK_ANSWER || worker->left < DIRECT || buffer_size(&worker->in) > 0)
        return &worker->in;
    *wanted = (size_t)worker->left;
    return &worker->answered->reply;
}

static enum reading read_some(struct worker *worker) {
    size_t wanted;
    struct buffer *to = place(worker, &wanted);
    char *at = buffer_room(to, to == &worker->in && buffer_spare(to) >= LEAST_READ ? 1 : wanted);
    if (to == &worker->in)
        wanted = buffer_spare(to);
    ssize_t got = read(worker->frames.fd, at, wanted);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return READ_NOTHING;
    if (got <= 0)
        return READ_END;
    to->end += (size_t)got;
    if (to != &worker->in)
        worker->left -= (uint64_t)got;
    return READ_SOME;
}

static struct invocation *find(const struct worker *worker, struct span id) {
    struct invocation *found = NULL;
    while ((found = worker_event_after(worker, found)) != NULL)
        if (span_equal(invocation_id(found), id))
            return found;
    return NULL;
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

static void begin_frame(struct worker *worker) {
    enum frame_type type = worker->frame.type;
    struct span field = type == FRAME_INITERR ? worker->frame.first : worker->frame.second; /* it is about no id */
    worker->field_size = frame_decode(field, worker->field, sizeof worker->field).size;
    worker->left = worker->frame.size;
    worker->sink = type == FRAME_INITERR ? SINK_TEXT : SINK_NONE;
    worker->answered = NULL;
    worker->in_frame = true;
    buffer_reset(&worker->text, READ_SIZE);
    if (type == FRAME_READY)
        say_ready(worker);
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
    struct span body = buffer_span(&worker->text);
    struct span message = json_member(body, SPAN("errorMessage"));
    struct span shown = span_first(message.size > 0 ? message : body, 1000);
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
    struct span body = buffer_span(&worker->text);
    if (worker->frame.size > TEXT_LIMIT)
        reply_message(invocation, reply_type(type), SPAN("the description of this error is too large to be passed on"));
    else
        reply_error(invocation, reply_type(type), body);
}

static void hold_back(struct worker *worker) {
    worker->paused = true;
    loop_watch(&worker->frames, 0);
}

static void begin_stream(struct worker *worker, struct invocation *invocation, struct span field) {
    if (!invocation->complete) {
        worker->stream_due = true; /* the event's end comes first: one connection, one thing at a time */
        hold_back(worker);
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
            reply_too_large(invocation, worker->frame.size);
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
    case FRAME_OTHER:
        break;
    }
}

/* `body`: of an answer that is all in `in`; absent when it was collected. */
static void finish_frame(struct worker *worker, struct span body) {
    struct invocation *invocation = worker->answered;
    worker->in_frame = false;
    worker->sink = SINK_NONE;
    if (worker->frame.type == FRAME_INITERR)
        init_failed(worker, (struct span){worker->field, worker->field_size});
    else if (invocation != NULL)
        finish_answer(worker, invocation, body);
}

/* False when the line is not complete, or none. */
static bool take_line(struct worker *worker) {
    struct span in = buffer_span(&worker->in);
    struct span line = in;
    line = span_cut(&in, '\n');
    if (line.size == buffer_size(&worker->in) && line.size < FRAME_LINE_LIMIT)
        return false;
    if (line.size == buffer_size(&worker->in) || !frame_parse(line, &worker->frame)) {
        worker_protocol_error(worker, "the worker wrote what is no frame", line);
        return false;
    }
    begin_frame(worker);
    buffer_use(&worker->in, line.size + 1);
    return true;
}

static void keep_text(struct worker *worker, struct span piece) {
    if (buffer_size(&worker->text) < TEXT_LIMIT)
        buffer_add(&worker->text, span_first(piece, TEXT_LIMIT - buffer_size(&worker->text)));
}

/* False when there is nothing of it yet. */
static bool take_body(struct worker *worker) {
    struct span piece = span_first(buffer_span(&worker->in), (size_t)worker->left), whole = {0};
    if (worker->left > 0 && piece.size == 0)
        return false;
    worker->left -= piece.size;
    if (worker->sink == SINK_ANSWER && worker->left == 0 && buffer_size(&worker->answered->reply) == 0)
        whole = piece;
    else if (worker->sink == SINK_ANSWER)
        buffer_add(&worker->answered->reply, piece);
    else if (worker->sink == SINK_TEXT)
        keep_text(worker, piece);
    else if (worker->sink == SINK_STREAM && streaming_piece(worker->answered, piece))
        hold_back(worker);
    if (worker->left == 0)
        finish_frame(worker, whole);
    buffer_use(&worker->in, piece.size);
    return true;
}

static bool is_wrong(const struct worker *worker) {
    return buffer_size(&worker->wrong) > 0;
}

static void take_all(struct worker *worker) {
    while (!worker->paused && !is_wrong(worker) && (worker->in_frame ? take_body(worker) : take_line(worker)))
        ;
}

/* False when there is no more for now. */
static bool read_and_take(struct worker *worker) {
    switch (read_some(worker)) {
    case READ_SOME:
        take_all(worker);
        return true;
    case READ_END:
        loop_close(&worker->frames);
        worker_channel_closed(worker);
        return false;
    case READ_NOTHING:
        break;
    }
    return false;
}

void listen_ready(struct source *source, uint32_t events) {
    (void)events;
    read_and_take(CONTAINER(source, struct worker, frames));
}

/* What it started may have the channel too, and write for ever. */
void listen_to_the_end(struct worker *worker) {
    for (int i = 0; i < LAST_READS && !worker->paused && worker->frames.fd >= 0 && read_and_take(worker); i++)
        ;
    if (!worker->paused)
        worker_bury(worker);
}

void listen_go_on(struct worker *worker) {
    struct invocation *invocation = worker->answered;
    if (worker->stream_due && !invocation->complete)
        return;
    worker->paused = false;
    loop_watch(&worker->frames, EPOLLIN);
    if (worker->stream_due)
        begin_stream(worker, invocation, (struct span){worker->field, worker->field_size});
    worker->stream_due = false;
    take_all(worker);
    if (worker->dead)
        listen_to_the_end(worker);
}
