/* Which worker gets an event, how many there are, and how many events are asked for. */
#ifndef POOL_H
#define POOL_H

#include "client.h"

/* Makes room for everything; nothing is started. */
void pool_open(struct client *client);
/* Starts the workers that are missing, gives events that wait to workers that are free, asks for as many as can be served. */
void pool_balance(struct client *client);
/* A worker that takes another event; NULL when there is none. */
struct worker *pool_free_worker(struct client *client);
/* An event without a worker. */
void pool_wait(struct invocation *invocation);
/* It waits no longer: it was answered, which only an error can be. */
void pool_stop_waiting(struct invocation *invocation);
/* A worker said READY. */
void pool_worker_ready(struct worker *worker);
/* A worker ended before it was of any use. `type` and `body` are for the report, when one may be made. */
void pool_start_failed(struct client *client, struct span type, struct span body, struct span message);
/* Ends the client with exit code 1 as soon as what it reports has arrived, or after two seconds. */
void pool_leave(struct client *client);

#endif
