/* A large event on its way from the Runtime API to the worker without passing through the client's memory (splice(2)): two
   copies less. It is a short cut only: what cannot go this way is read and written. */
#ifndef RELAY_H
#define RELAY_H

#include "client.h"

/* How much is read at once while the head of an event is expected, so that a large body stays where it is; 0: all. */
size_t relay_first_read(const struct client *client);
/* Passes on what has come. True when that is dealt with; false: it is to be read. */
bool relay_run(struct invocation *invocation);
/* There is room in the pipe again. */
void relay_go_on(struct invocation *invocation);

#endif
