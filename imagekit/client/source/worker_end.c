/* How a worker is ended: because of its time, of what it did, or with the client. */
#include "feed.h"
#include "pool.h"
#include "worker.h"

enum {
    CANCEL_MILLISECONDS = 50,    /* between CANCEL and SIGTERM */
    SIGTERM_MILLISECONDS = 100,  /* between SIGTERM and SIGKILL */
    CLOSED_MILLISECONDS = 100,   /* a worker that closed its channel is about to end */
    SHUTDOWN_MILLISECONDS = 150, /* the runtime's part of what Lambda gives an environment with an internal extension */
    SHOWN = 100,
};

static void kill_now(struct timer *timer) {
    process_signal(&CONTAINER(timer, struct worker, patience)->process, SIGKILL);
}

static void terminate(struct timer *timer) {
    struct worker *worker = CONTAINER(timer, struct worker, patience);
    process_signal(&worker->process, SIGTERM);
    worker->patience.fire = kill_now;
    timer_set(&worker->patience, SIGTERM_MILLISECONDS);
}

static void say_cancel(struct worker *worker, const struct invocation *invocation) {
    struct buffer line = {0};
    if (invocation->feeding || worker->feed.fd < 0)
        return; /* it does not even have the whole event */
    buffer_add(&line, SPAN("CANCEL 0 "));
    buffer_add(&line, invocation_id(invocation));
    feed_line(worker, buffer_span(&line));
    buffer_reset(&line, 0);
}

static void end_soon(struct worker *worker) {
    worker->state = WORKER_ENDING;
    worker->patience.fire = terminate;
    timer_set(&worker->patience, worker->client->configuration.mode == MODE_WORKER ? CANCEL_MILLISECONDS : 0);
}

/* Others of its events may go on: then its place stays taken until it answers late, or all its places are lost. */
void worker_give_up(struct worker *worker, struct invocation *invocation) {
    say_cancel(worker, invocation);
    if (worker->abandoned + 1 >= worker->capacity) {
        end_soon(worker);
        return;
    }
    worker->abandoned++;
    worker->taken++; /* worker_release takes one away */
    buffer_add(&worker->given_up, invocation_id(invocation));
    buffer_add(&worker->given_up, SPAN(" "));
}

void worker_replace(struct worker *worker) {
    worker->state = WORKER_ENDING;
    process_signal(&worker->process, SIGKILL);
}

static void end_when_idle(struct worker *worker) {
    if (worker->taken > worker->abandoned || worker->state != WORKER_READY)
        return;
    feed_close(worker);
    end_soon(worker);
}

/* A worker that leaves unused again and again is one that does not start. */
void worker_leave(struct worker *worker) {
    if (worker->leaving)
        return;
    if (worker->served == 0 && worker->taken == 0) {
        worker_protocol_error(worker, "the worker said BYE before it answered an event", (struct span){0});
        return;
    }
    worker->leaving = true;
    end_when_idle(worker);
    pool_balance(worker->client);
}

void worker_answered(struct worker *worker) {
    if (worker->leaving)
        end_when_idle(worker);
}

static void add_shown(struct buffer *text, struct span shown) {
    shown = span_first(shown, SHOWN);
    for (size_t i = 0; i < shown.size; i++) {
        bool plain = shown.at[i] >= ' ' && shown.at[i] <= '~';
        buffer_add(text, plain ? (struct span){shown.at + i, 1} : SPAN("?"));
    }
}

void worker_protocol_error(struct worker *worker, const char *what, struct span shown) {
    if (buffer_size(&worker->wrong) > 0 || worker->state == WORKER_ENDING)
        return;
    buffer_add(&worker->wrong, span_of(what));
    if (shown.size > 0) {
        buffer_add(&worker->wrong, SPAN(": "));
        add_shown(&worker->wrong, shown);
    }
    worker->state = WORKER_ENDING;
    loop_close(&worker->frames);
    process_signal(&worker->process, SIGKILL);
}

static void closed_for_good(struct timer *timer) {
    struct worker *worker = CONTAINER(timer, struct worker, patience);
    worker_protocol_error(worker, "the worker closed its descriptors and did not end", (struct span){0});
}

void worker_channel_closed(struct worker *worker) {
    if (worker->dead || worker->state == WORKER_ENDING)
        return;
    worker->patience.fire = closed_for_good;
    if (worker->patience.due == 0)
        timer_set(&worker->patience, CLOSED_MILLISECONDS);
}

void worker_ask_to_end(struct worker *worker) {
    feed_close(worker);
    worker->state = WORKER_ENDING;
    process_signal(&worker->process, SIGTERM);
    worker->patience.fire = kill_now;
    timer_set(&worker->patience, SHUTDOWN_MILLISECONDS);
}
