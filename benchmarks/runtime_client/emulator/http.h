/* One HTTP/1.1 request, read piece by piece (RFC 9112). The body is passed on as it comes and never kept. */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_state {
    HTTP_HEAD,
    HTTP_BODY,
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_END,
    HTTP_TRAILER,
    HTTP_DONE,
    HTTP_BROKEN,
};

struct http_request {
    enum http_state state;
    size_t head_size;
    bool post;
    bool last;    /* the connection is to be closed after the answer */
    bool expects; /* waits for 100 Continue before it sends its body */
    char path[512];
    uint64_t left;  /* bytes of the body, or of the chunk, that are to come */
    uint64_t body;  /* bytes of the body that came */
    size_t line;    /* bytes of the line of a chunk or trailer that came */
    bool extension; /* what is left of the chunk's line says nothing */
    char head[65536];
};

typedef void (*http_body)(void *owner, const char *bytes, size_t size);

void http_reset(struct http_request *request);

/* Reads bytes of a request until it is done or broken; returns how many it took. */
size_t http_feed(struct http_request *request, const char *bytes, size_t size, http_body body, void *owner);

#endif
