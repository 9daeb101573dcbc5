/* Answers that are sent in pieces. */
#ifndef STREAMING_H
#define STREAMING_H

#include "client.h"

/* STREAM. */
void streaming_begin(struct invocation *invocation, struct span content_type);
/* DATA: a piece. True when so much of it waits that the worker is to be read no further for now. */
bool streaming_piece(struct invocation *invocation, struct span bytes);
/* END. */
void streaming_end(struct invocation *invocation);
/* FAIL, or anything else that went wrong. */
void streaming_fail(struct invocation *invocation, struct span type, struct span body);
/* The Runtime API wants no more of it. */
void streaming_discard(struct invocation *invocation);

#endif
