/* Signals: a process ended, or the client is to end. */
#ifndef SHUTDOWN_H
#define SHUTDOWN_H

#include "client.h"

/* From here on signals come through the event loop. */
void shutdown_open(struct client *client);

#endif
