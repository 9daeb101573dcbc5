/* A keep-alive connection to the Runtime API, made when it is first written to, and made again after it has ended. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "address.h"
#include "buffer.h"
#include "loop.h"

enum connection_state { CONNECTION_NONE, CONNECTION_OPENING, CONNECTION_OPEN };

struct connection {
    struct source source;
    enum connection_state state;
    struct buffer in;   /* received */
    size_t window;      /* how many received bytes may wait at most before reading stops; 0: any number */
    size_t piece;       /* how many are read at once at most; 0: as many as there is room for */
    bool blocked;       /* what comes is passed on to where there is no room now: reading stops */
    struct buffer out;  /* to be sent, in this order: bytes, then a body that was given */
    struct buffer body;
    unsigned failures; /* in a row */
    struct timer again;
    /* Bytes have come; true when it took them itself, and they are not to be read into `in`. NULL: never. */
    bool (*taken)(struct connection *connection);
    /* More is in `in`. */
    void (*received)(struct connection *connection);
    /* It ended, with bytes in `in` that are not read, and `out` as far as it was not sent. */
    void (*ended)(struct connection *connection);
    /* All was sent, after a time when it was not. */
    void (*drained)(struct connection *connection);
    /* The Runtime API does not listen; all tries are used up. */
    void (*unreachable)(struct connection *connection);
};

void connection_set_address(const struct address *address);
/* Begins to connect; nothing when it is connected. */
void connection_open(struct connection *connection);
/* Sends the three parts in one go, and keeps what the socket does not take now. */
void connection_send(struct connection *connection, struct span head, struct span body, struct span tail);
/* The same with a large body, which it takes over. */
void connection_send_buffer(struct connection *connection, struct span head, struct buffer *body);
/* How many bytes wait to be sent. */
size_t connection_unsent(const struct connection *connection);
/* Waits a little before the next connection: longer after each call in a row; false after the last one. */
bool connection_back_off(struct connection *connection);
/* Goes on reading, or stops, as the window says. */
void connection_read_on(struct connection *connection);
/* Closes it and forgets what was to be sent. */
void connection_close(struct connection *connection);

#endif
