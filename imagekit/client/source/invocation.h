/* An event on its way from the Runtime API to a worker. */
#ifndef INVOCATION_H
#define INVOCATION_H

#include "client.h"

void invocation_open(struct client *client, struct invocation *invocation);
/* Asks for the next event; it is the first of those that rest. */
void invocation_ask(struct invocation *invocation);
/* SnapStart: asks to be told of the restore. */
void invocation_ask_restored(struct invocation *invocation);
/* What is there of the body and the worker has not taken. */
struct span invocation_body(const struct invocation *invocation);
/* The worker took so much of it. */
void invocation_use_body(struct invocation *invocation, size_t size);
/* The body may grow beyond what is read ahead: the event is answered, and has to come to its end. */
void invocation_hurry(struct invocation *invocation);
/* All is over: it rests, and its memory goes back. */
void invocation_rest(struct invocation *invocation);

#endif
