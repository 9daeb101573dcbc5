#include "worker.h"

#include "feed.h"
#include "json.h"
#include "listen.h"
#include "log.h"
#include "per_event.h"
#include "pool.h"
#include "reply.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

enum { KEEP = 64 << 10, PIPE_SIZE = 256 << 10 };

void worker_open(struct client *client, struct worker *worker) {
    worker->client = client;
    worker->feed.fd = worker->frames.fd = worker->process.errors.fd = -1;
}

static void start_failed(struct worker *worker, struct span type, const char *what, const char *why) {
    struct buffer message = {0}, body = {0};
    buffer_add(&message, SPAN("cannot "));
    buffer_add(&message, span_of(what));
    buffer_add(&message, SPAN(": "));
    buffer_add(&message, span_of(why));
    json_add_error(&body, type, buffer_span(&message));
    pool_start_failed(worker->client, type, buffer_span(&body), buffer_span(&message));
    buffer_reset(&message, 0);
    buffer_reset(&body, 0);
}

static void start_failed_at(struct worker *worker, struct span type, const char *what, const char *path,
                            const char *why) {
    struct buffer text = {0};
    buffer_add(&text, span_of(what));
    buffer_add(&text, span_of(path));
    buffer_add(&text, (struct span){"", 1});
    start_failed(worker, type, text.bytes, why);
    buffer_reset(&text, 0);
}

/* The worker's ends are 0 and 1 of both; false: errno says why not. */
static bool open_channel(const struct worker *worker, int to_worker[2], int from_worker[2]) {
    if (!worker->client->configuration.socket)
        return pipe2(to_worker, O_CLOEXEC) == 0 && pipe2(from_worker, O_CLOEXEC) == 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to_worker) < 0)
        return false;
    from_worker[0] = fcntl(to_worker[1], F_DUPFD_CLOEXEC, 0);
    from_worker[1] = fcntl(to_worker[0], F_DUPFD_CLOEXEC, 0);
    return from_worker[0] >= 0 && from_worker[1] >= 0;
}

static void begin(struct worker *worker, int feed, int frames) {
    if (worker->client->concurrency == 1) {
        fcntl(feed, F_SETPIPE_SZ, PIPE_SIZE); /* no more than a wish: a user's pipes have a limit together (pipe(7)) */
        fcntl(frames, F_SETPIPE_SZ, PIPE_SIZE);
    }
    fcntl(feed, F_SETFL, O_NONBLOCK);
    fcntl(frames, F_SETFL, O_NONBLOCK);
    worker->feed = (struct source){.fd = feed, .ready = feed_ready};
    worker->frames = (struct source){.fd = frames, .ready = listen_ready};
    worker->state = WORKER_STARTING;
    worker->capacity = worker->taken = worker->abandoned = 0;
    worker->dead = worker->paused = worker->said_ready = worker->leaving = false;
    worker->in_frame = worker->stream_due = false;
    worker->served = worker->left = worker->fed = worker->dropped_size = 0;
    worker->unheard = false;
    worker->sink = SINK_NONE;
    worker->answered = NULL;
    loop_watch(&worker->frames, EPOLLIN);
}

static void start_process(struct worker *worker) {
    struct configuration *configuration = &worker->client->configuration;
    int to_worker[2], from_worker[2];
    if (!open_channel(worker, to_worker, from_worker))
        log_fatal("cannot open a channel to the worker: %s", strerror(errno));
    /* With one socket both are the same descriptor for the worker: 3 and 3. */
    struct descriptor descriptors[] = {
        {to_worker[0], 3}, {configuration->socket ? -1 : from_worker[1], 4}, {-1, 0}};
    int error = process_start(&worker->process, configuration->arguments, environ, descriptors);
    close(to_worker[0]);
    close(from_worker[1]);
    if (error == 0) {
        begin(worker, to_worker[1], from_worker[0]);
        return;
    }
    close(to_worker[1]);
    close(from_worker[0]);
    start_failed_at(worker, SPAN("Runtime.InvalidEntrypoint"), "start ", configuration->arguments[0],
                    process_start_error(configuration->arguments[0], error));
}

void worker_start(struct worker *worker) {
    struct client *client = worker->client;
    if (client->directory_error != 0) {
        start_failed_at(worker, SPAN("Runtime.InvalidWorkingDir"), "enter ", client->directory,
                        strerror(client->directory_error));
    } else if (client->configuration.mode == MODE_PER_EVENT) {
        worker->state = WORKER_READY;
        worker->capacity = 1;
        client->worker_wanted = client->concurrency < client->worker_limit ? client->concurrency : client->worker_limit;
    } else {
        start_process(worker);
    }
}

void worker_give(struct worker *worker, struct invocation *invocation) {
    invocation->worker = worker;
    invocation->next_of_worker = worker->events;
    worker->events = invocation;
    worker->taken++;
    if (worker->client->configuration.mode == MODE_PER_EVENT)
        per_event_start(worker, invocation);
    else
        feed_event(worker, invocation);
}

void worker_release(struct worker *worker, struct invocation *invocation) {
    feed_detach(worker, invocation);
    if (worker->answered == invocation) {
        worker->answered = NULL;
        worker->sink = SINK_NONE;
        worker->stream_due = false;
    }
    struct invocation **link = &worker->events;
    while (*link != invocation)
        link = &(*link)->next_of_worker;
    *link = invocation->next_of_worker;
    invocation->worker = NULL;
    worker->taken--;
    worker->served++;
    worker->client->failed_starts = 0;
    if (!worker->dead)
        worker_answered(worker);
}

void worker_process_ended(struct client *client, pid_t pid, int status) {
    for (unsigned i = 0; i < client->worker_slots; i++) {
        struct worker *worker = &client->workers[i];
        if (worker->process.pid != pid)
            continue;
        worker->process.pid = 0;
        worker->dead = true;
        worker->status = status;
        timer_stop(&worker->patience);
        if (client->configuration.mode == MODE_PER_EVENT)
            per_event_ended(worker);
        else
            listen_to_the_end(worker);
        return;
    }
}

static void report_end(struct worker *worker, struct span type, struct span message) {
    struct buffer body = {0};
    struct invocation *next;
    bool idle = worker->taken == worker->abandoned;
    bool useless = worker->served == 0 && (idle || worker->unheard);
    unsigned failed_starts = worker->client->failed_starts;
    json_add_error(&body, type, message);
    for (struct invocation *invocation = worker->events; invocation != NULL; invocation = next) {
        next = invocation->next_of_worker;
        log_line(LOG_ERROR, invocation_id(invocation), "the worker ended: %.*s", PRINTED(message));
        reply_error(invocation, type, buffer_span(&body));
    }
    if (useless)
        worker->client->failed_starts = failed_starts; /* reports of its end are no answers of its own */
    if (!worker->said_ready || worker->client->stage == STAGE_RESTORING || useless)
        pool_start_failed(worker->client, type, buffer_span(&body), message);
    else if (idle)
        log_line(LOG_ERROR, (struct span){0}, "the worker ended between events: %.*s", PRINTED(message));
    buffer_reset(&body, 0);
}

/* Events whose report waits until they have come are nobody's from here on. */
static void clear(struct worker *worker) {
    while (worker->events != NULL)
        worker_release(worker, worker->events);
    feed_close(worker);
    loop_close(&worker->frames);
    worker->state = WORKER_NONE;
    worker->queue = NULL;
    buffer_reset(&worker->in, KEEP);
    buffer_reset(&worker->text, 0);
    buffer_reset(&worker->given_up, 0);
    buffer_reset(&worker->wrong, 0);
}

static void describe_end(const struct worker *worker, struct buffer *message) {
    if (!worker->said_ready && worker->status == 0)
        buffer_add(message, SPAN("ended before READY ("));
    process_describe_end(&worker->process, worker->status, message);
    if (!worker->said_ready && worker->status == 0)
        buffer_add(message, SPAN(")"));
}

void worker_bury(struct worker *worker) {
    struct client *client = worker->client;
    struct buffer message = {0};
    process_last_errors(&worker->process);
    feed_look(worker);
    if (buffer_size(&worker->wrong) > 0) {
        report_end(worker, SPAN("Runtime.WorkerProtocolError"), buffer_span(&worker->wrong));
    } else if (worker->state != WORKER_ENDING && !(worker->leaving && worker->taken == worker->abandoned)) {
        describe_end(worker, &message);
        report_end(worker, SPAN("Runtime.ExitError"), buffer_span(&message));
    }
    buffer_reset(&message, 0);
    clear(worker);
    pool_balance(client);
}

void worker_restore_all(struct client *client) {
    for (unsigned i = 0; i < client->worker_slots; i++) {
        if (client->configuration.mode == MODE_PER_EVENT || client->workers[i].state != WORKER_READY)
            continue;
        client->workers[i].state = WORKER_STARTING;
        feed_line(&client->workers[i], SPAN("RESTORE 0"));
    }
    if (client->configuration.mode == MODE_PER_EVENT)
        pool_worker_ready(&client->workers[0]);
}

void worker_pause(struct worker *worker) {
    worker->paused = true;
    loop_watch(&worker->frames, 0);
}

void worker_go_on(struct worker *worker) {
    if (worker != NULL && worker->paused)
        listen_go_on(worker);
}
