/* An event as the Runtime API sends it: its head, its body, and to whom it is given. */
#ifndef EVENT_H
#define EVENT_H

#include "client.h"

/* The head is there: invocation->answer.head, whose spans hold until the bytes are given up. */
void event_begin(struct invocation *invocation);
/* There is more of the body. */
void event_receive(struct invocation *invocation);
/* All of the body is there. */
void event_completed(struct invocation *invocation);

#endif
