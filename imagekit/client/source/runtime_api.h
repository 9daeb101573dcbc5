/* Requests to Lambda's Runtime API, version 2018-06-01. */
#ifndef RUNTIME_API_H
#define RUNTIME_API_H

#include "connection.h"

/* The largest answer that is not streamed: 6 MiB and 100 bytes. */
enum { API_ANSWER_LIMIT = 6 * 1024 * 1024 + 100 };

/* `host` as in AWS_LAMBDA_RUNTIME_API. */
void api_set_host(const char *host);
const char *api_host(void);
/* Asks for the next event; there is no limit of time, since an environment may be frozen for hours. */
void api_ask_next(struct connection *connection);
/* SnapStart: asks to be told when it was restored. */
void api_ask_restored(struct connection *connection);
/* Heads of requests whose body has `size` bytes; `id` is the event's. */
void api_add_response_head(struct buffer *head, struct span id, struct span content_type, uint64_t size);
void api_add_stream_head(struct buffer *head, struct span id, struct span content_type);

/* What an error is about, for Lambda. */
struct api_error {
    struct span path;  /* below /runtime/: `init/error`, `restore/error`, `invocation/<id>/error` */
    struct span type;  /* such as Function.ValueError */
    struct span cause; /* for X-Ray, JSON; absent: none */
    uint64_t size;
};
void api_add_error_head(struct buffer *head, const struct api_error *error);
/* The end of a stream that failed: type and body stand in trailers. */
void api_add_error_trailers(struct buffer *out, struct span type, struct span body);
/* Extensions API: an extension inside the runtime, which wants no events. */
void api_register_extension(struct connection *connection);
void api_ask_extension_next(struct connection *connection, struct span identifier);

#endif
