/* What a worker is told: frames, written as the pipe takes them. */
#ifndef FEED_H
#define FEED_H

#include "client.h"

/* An event, whose body may still be coming; its line was made by invocation.c. */
void feed_event(struct worker *worker, struct invocation *invocation);
/* A frame without a body, as its line without the end; not between the pieces of an event. */
void feed_line(struct worker *worker, struct span line);
/* Goes on: there is more of a body, or the pipe takes bytes again. */
void feed_run(struct worker *worker);
/* The event was answered: what the worker has not taken of it, it still gets, since it was announced; but the invocation
   is free for the next event. */
void feed_detach(struct worker *worker, struct invocation *invocation);
/* Nobody reads any more: finds out whether the worker has ended without reading a byte. */
void feed_look(struct worker *worker);
/* End of file, and nothing of what was to come. */
void feed_close(struct worker *worker);
void feed_ready(struct source *source, uint32_t events);

#endif
