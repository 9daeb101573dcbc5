#include "pool.h"

#include "invocation.h"
#include "log.h"
#include "output.h"
#include "reply.h"
#include "runtime_api.h"
#include "worker.h"

#include <stdlib.h>
#include <sys/resource.h>

enum { LEAVE_MILLISECONDS = 2000, FAILED_STARTS = 2 };

/* A descriptor for each connection and a few for each worker may be more than the 1,024 that a process usually has. */
static void raise_descriptor_limit(const struct client *client) {
    struct rlimit limit;
    rlim_t wanted = client->concurrency + (rlim_t)client->worker_slots * 4 + 64;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void pool_open(struct client *client) {
    raise_descriptor_limit(client);
    client->invocations = calloc(client->concurrency, sizeof *client->invocations);
    client->workers = calloc(client->worker_slots, sizeof *client->workers);
    if (client->invocations == NULL || client->workers == NULL)
        log_fatal("no memory for %u events at once", client->concurrency);
    for (unsigned i = client->concurrency; i-- > 0;)
        invocation_open(client, &client->invocations[i]);
    for (unsigned i = 0; i < client->worker_slots; i++)
        worker_open(client, &client->workers[i]);
    client->worker_wanted = 1;
}

/* What ended processes wrote is kept while nobody reads the log: events wait before that is more than memory. */
static unsigned room_in(const struct worker *worker) {
    if (output_is_full())
        return 0;
    return worker->state == WORKER_READY && !worker->dead && !worker->leaving ? worker->capacity - worker->taken : 0;
}

/* The one with the most room, so that work is spread. */
struct worker *pool_free_worker(struct client *client) {
    struct worker *best = NULL;
    unsigned most = 0;
    for (unsigned i = 0; i < client->worker_slots; i++) {
        if (room_in(&client->workers[i]) > most) {
            best = &client->workers[i];
            most = room_in(best);
        }
    }
    return best;
}

static unsigned room(const struct client *client) {
    unsigned sum = 0;
    for (unsigned i = 0; i < client->worker_slots; i++)
        sum += room_in(&client->workers[i]);
    return sum;
}

void pool_wait(struct invocation *invocation) {
    struct client *client = invocation->client;
    struct invocation **link = &client->waiting;
    while (*link != NULL)
        link = &(*link)->following;
    *link = invocation;
    invocation->following = NULL;
    invocation->waiting = true;
    client->waiting_count++;
}

void pool_stop_waiting(struct invocation *invocation) {
    struct client *client = invocation->client;
    struct invocation **link = &client->waiting;
    if (!invocation->waiting)
        return;
    while (*link != invocation)
        link = &(*link)->following;
    *link = invocation->following;
    invocation->waiting = false;
    client->waiting_count--;
}

static void give_waiting(struct client *client) {
    struct worker *worker;
    while (client->waiting != NULL && (worker = pool_free_worker(client)) != NULL) {
        struct invocation *first = client->waiting;
        pool_stop_waiting(first);
        worker_give(worker, first);
    }
}

/* Those that said BYE are not counted. */
static unsigned staying(const struct client *client) {
    unsigned sum = 0;
    for (unsigned i = 0; i < client->worker_slots; i++)
        sum += client->workers[i].state != WORKER_NONE && !client->workers[i].leaving;
    return sum;
}

static struct worker *free_slot(struct client *client) {
    for (unsigned i = 0; i < client->worker_slots; i++)
        if (client->workers[i].state == WORKER_NONE)
            return &client->workers[i];
    return NULL;
}

static void start_missing(struct client *client) {
    struct worker *slot;
    while (client->stage <= STAGE_SERVING && staying(client) < client->worker_wanted &&
           (slot = free_slot(client)) != NULL)
        worker_start(slot);
}

static bool all_ready(const struct client *client) {
    unsigned ready = 0;
    for (unsigned i = 0; i < client->worker_slots; i++)
        ready += client->workers[i].state == WORKER_READY && !client->workers[i].leaving;
    return ready >= client->worker_wanted;
}

/* A snapshot is taken when all is ready, so that nothing has to start after a restore. */
static void ask_restored(struct client *client) {
    if (client->stage == STAGE_STARTING && all_ready(client)) {
        client->stage = STAGE_RESTORING;
        invocation_ask_restored(&client->invocations[0]);
    }
}

static void ask(struct client *client) {
    unsigned places = room(client);
    places = places > client->waiting_count ? places - client->waiting_count : 0;
    if (places > 0)
        client->stage = STAGE_SERVING;
    while (client->resting != NULL && client->asking < places)
        invocation_ask(client->resting);
}

static bool is_idle(const struct client *client) {
    for (unsigned i = 0; i < client->concurrency; i++)
        if (client->invocations[i].phase == PHASE_REPLYING)
            return false;
    return true;
}

void pool_balance(struct client *client) {
    if (client->stage == STAGE_LEAVING && is_idle(client))
        log_end(1);
    if (client->stage >= STAGE_LEAVING)
        return;
    start_missing(client);
    if (client->stage >= STAGE_LEAVING || client->registering || client->stage == STAGE_RESTORING)
        return;
    give_waiting(client);
    if (client->snap_start && client->stage == STAGE_STARTING)
        ask_restored(client);
    else
        ask(client);
}

/* How many workers there are to be is known when the first one has said how much each takes. */
void pool_worker_ready(struct worker *worker) {
    struct client *client = worker->client;
    unsigned wanted = (client->concurrency + worker->capacity - 1) / worker->capacity;
    wanted = wanted < client->worker_limit ? wanted : client->worker_limit;
    if (wanted > client->worker_wanted)
        client->worker_wanted = wanted;
    if (client->stage == STAGE_RESTORING && all_ready(client) && client->invocations[0].phase == PHASE_RESTING)
        client->stage = STAGE_SERVING;
    pool_balance(client);
}

static void leave_late(struct timer *timer) {
    (void)timer;
    log_end(1);
}

void pool_leave(struct client *client) {
    client->stage = STAGE_LEAVING;
    client->patience.fire = leave_late;
    timer_set(&client->patience, LEAVE_MILLISECONDS);
    pool_balance(client);
}

/* After the first `next` no report is legal any more but the one for events that are open (facts of the Runtime API). */
static void fail_waiting(struct client *client, struct span type, struct span body) {
    while (client->waiting != NULL)
        reply_error(client->waiting, type, body);
}

/* Until the restore is over, what fails is the initialisation. */
static struct span start_error_path(const struct client *client) {
    bool restored = client->stage == STAGE_RESTORING && client->invocations[0].phase != PHASE_ASKING;
    return restored ? SPAN("restore/error") : SPAN("init/error");
}

void pool_start_failed(struct client *client, struct span type, struct span body, struct span message) {
    struct span path = start_error_path(client);
    bool serving = client->stage == STAGE_SERVING;
    if (client->stage >= STAGE_LEAVING)
        return;
    if (serving && ++client->failed_starts < FAILED_STARTS) {
        log_line(LOG_ERROR, (struct span){0}, "the worker did not start again: %.*s", PRINTED(message));
        return;
    }
    client->stage = STAGE_LEAVING; /* nothing is started any more while this is reported */
    if (serving) {
        log_line(LOG_ERROR, (struct span){0}, "the worker did not start %u times in a row: %.*s", FAILED_STARTS,
                 PRINTED(message));
        fail_waiting(client, type, body);
    } else {
        log_line(LOG_ERROR, (struct span){0}, "initialisation failed: %.*s", PRINTED(message));
        reply_start_error(&client->invocations[0], path, type, body);
    }
    pool_leave(client);
}
