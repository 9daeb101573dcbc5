/* What a worker says: frames, and what follows from them. */
#ifndef LISTEN_H
#define LISTEN_H

#include "client.h"

void listen_ready(struct source *source, uint32_t events);
/* Goes on after a pause: bytes that were read already come first. */
void listen_go_on(struct worker *worker);
/* The process has ended: reads what it left, then buries it. */
void listen_to_the_end(struct worker *worker);

#endif
