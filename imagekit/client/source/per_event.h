/* One process an event: the event on stdin, the answer on stdout. */
#ifndef PER_EVENT_H
#define PER_EVENT_H

#include "client.h"

/* Lambda's headers as the variables that the process sees. */
void per_event_add_variables(struct buffer *variables, struct span fields);
void per_event_start(struct worker *worker, struct invocation *invocation);
/* The process has ended. */
void per_event_ended(struct worker *worker);

#endif
