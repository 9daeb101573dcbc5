/* The event loop: file descriptors that are waited for, and timers. There is one in the process. */
#ifndef LOOP_H
#define LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

/* A file descriptor. `ready` may be called though nothing is there: it reads without blocking and takes that for what
   it is. Sources are never freed, so that an event of an earlier descriptor in the same place does no harm. */
struct source {
    int fd;           /* -1: none */
    uint32_t watched; /* EPOLLIN, EPOLLOUT; 0: not watched at all */
    void (*ready)(struct source *source, uint32_t events);
};

/* Fires once. */
struct timer {
    int64_t due; /* clock_steady; 0: not set */
    void (*fire)(struct timer *timer);
    struct timer *before, *after;
};

void loop_open(void);
void loop_watch(struct source *source, uint32_t events);
/* Closes the descriptor. */
void loop_close(struct source *source);
void timer_set(struct timer *timer, int64_t milliseconds);
void timer_stop(struct timer *timer);
/* Waits once, at most `milliseconds` (-1: for ever), and calls what is due. */
void loop_turn(int milliseconds);
_Noreturn void loop_run(void);

#endif
