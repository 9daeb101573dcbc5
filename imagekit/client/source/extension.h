/* An extension inside the runtime that does nothing: only with one does Lambda send SIGTERM before it ends an environment. */
#ifndef EXTENSION_H
#define EXTENSION_H

#include "client.h"

/* Registers it; until that is done, or has failed, no event is asked for. */
void extension_register(struct client *client);

#endif
