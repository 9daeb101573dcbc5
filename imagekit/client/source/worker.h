/* A worker's life: start, READY, end. What it is told is in feed.h, what it says in listen.h. */
#ifndef WORKER_H
#define WORKER_H

#include "client.h"

void worker_open(struct client *client, struct worker *worker);
void worker_start(struct worker *worker);
/* Gives it an event; in per_event that starts its process. */
void worker_give(struct worker *worker, struct invocation *invocation);
/* An event is no longer its: it was answered. */
void worker_release(struct worker *worker, struct invocation *invocation);
/* An event is given up; the worker may still be at it. */
void worker_give_up(struct worker *worker, struct invocation *invocation);
/* Ends it because of what it did: `what`, and the text that shows it. */
void worker_protocol_error(struct worker *worker, const char *what, struct span shown);
/* It closed a descriptor: it has ended, which is noticed at once, or it never will say or hear anything again. */
void worker_channel_closed(struct worker *worker);
/* The process with this id has ended. */
void worker_process_ended(struct client *client, pid_t pid, int status);
/* A dead worker has said all it had to say. */
void worker_bury(struct worker *worker);
/* Asks it to end: end of file, SIGTERM; a little later it is killed. */
void worker_ask_to_end(struct worker *worker);
/* It takes no more events: ends when those that it has are answered; another one is started. */
void worker_leave(struct worker *worker);
/* It has an event less. */
void worker_answered(struct worker *worker);
/* Ends it at once; it did nothing wrong. */
void worker_replace(struct worker *worker);
/* SnapStart: all workers run their hooks and say READY again. */
void worker_restore_all(struct client *client);
/* It is not read for now: somebody has to catch up. */
void worker_pause(struct worker *worker);
/* It is read again, after a reader of its stream was too slow or an event was not complete. NULL: nothing to do. */
void worker_go_on(struct worker *worker);

#endif
