/* Answers and errors on their way to the Runtime API, and what it says to them. */
#ifndef REPLY_H
#define REPLY_H

#include "client.h"

/* Posts an answer; `body` absent: what was collected in invocation->reply. */
void reply_response(struct invocation *invocation, struct span content_type, struct span body);
/* Posts an error: its type for Lambda, and its JSON. In a streamed answer it stands in trailers. */
void reply_error(struct invocation *invocation, struct span type, struct span body);
/* The same with JSON made of this message. */
void reply_message(struct invocation *invocation, struct span type, struct span message);
/* Posts that the initialisation or the restore failed: `init/error`, `restore/error`. */
void reply_start_error(struct invocation *invocation, struct span path, struct span type, struct span body);
/* The event is complete: an answer that waited for that is sent. */
void reply_send_held(struct invocation *invocation);
/* The Runtime API sent bytes. */
void reply_received(struct invocation *invocation);
/* The connection ended before it had said all. */
void reply_connection_ended(struct invocation *invocation);
/* The type if it is one that Lambda takes, else Function.Unknown. */
struct span reply_type(struct span type);
/* Logs that an answer is too large, and reports it; `about` is put before its size. */
void reply_too_large(struct invocation *invocation, const char *about, uint64_t size);

#endif
