/* Connections on loopback, one thread, nothing that blocks. */
#ifndef SERVER_H
#define SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "http.h"

struct connection {
    int fd;
    struct http_request request;
    uint64_t mark; /* for who looks at the body: bytes of it after which to look again */
    bool closing;  /* once the answer is written */
    char head[1024];    /* of the answer */
    size_t head_left;
    size_t head_size;
    const char *body;
    size_t body_left;
};

/* What is done with requests. */
struct service {
    void (*request)(struct connection *connection);
    void (*body)(struct connection *connection, const char *bytes, size_t size);
    void (*ended)(void); /* the process is gone */
};

/* Listens on a port of the system's choice, which is returned. */
int server_listen(void);

/* Serves until server_stop; ends the program when nothing comes for so many milliseconds. */
void server_run(const struct service *service, int pidfd, int patience);
void server_stop(void);

/* Closes all connections. */
void server_clear(void);

/* Answers a request; the body has to stay where it is. */
void server_answer(struct connection *connection, const char *status, const char *headers, const char *body,
                   size_t size);

/* Ends the program, and all that it started, with a line that says why. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
