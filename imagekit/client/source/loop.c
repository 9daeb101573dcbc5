#include "loop.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { EVENTS = 64 };

static int poll_fd = -1;
static struct timer timers = {.before = &timers, .after = &timers}; /* a ring, in the order of `due` */

void loop_open(void) {
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll_fd < 0)
        log_fatal("epoll: %s", strerror(errno));
}

/* A source without events leaves the set: EPOLLHUP cannot be masked, and would come for ever. */
void loop_watch(struct source *source, uint32_t events) {
    if (source->fd < 0 || source->watched == events)
        return;
    int change = source->watched == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(poll_fd, change, source->fd, &event) < 0)
        log_fatal("epoll: %s", strerror(errno));
    source->watched = events;
}

void loop_close(struct source *source) {
    if (source->fd < 0)
        return;
    loop_watch(source, 0);
    close(source->fd);
    source->fd = -1;
}

void timer_stop(struct timer *timer) {
    if (timer->due == 0)
        return;
    timer->before->after = timer->after;
    timer->after->before = timer->before;
    timer->due = 0;
}

void timer_set(struct timer *timer, int64_t milliseconds) {
    timer_stop(timer);
    timer->due = clock_steady() + (milliseconds > 0 ? milliseconds : 0);
    struct timer *before = timers.before;
    while (before != &timers && before->due > timer->due)
        before = before->before;
    timer->before = before;
    timer->after = before->after;
    before->after->before = timer;
    before->after = timer;
}

static int until_next_timer(int milliseconds) {
    if (timers.after == &timers)
        return milliseconds;
    int64_t left = timers.after->due - clock_steady();
    if (left < 0)
        left = 0;
    return milliseconds >= 0 && milliseconds < left ? milliseconds : left > 3600000 ? 3600000 : (int)left;
}

static void fire_timers(void) {
    while (timers.after != &timers && timers.after->due <= clock_steady()) {
        struct timer *timer = timers.after;
        timer_stop(timer);
        timer->fire(timer);
    }
}

static void call(const struct epoll_event *event) {
    struct source *source = event->data.ptr;
    if (source->fd >= 0 && source->watched != 0)
        source->ready(source, event->events);
}

void loop_turn(int milliseconds) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poll_fd, events, EVENTS, until_next_timer(milliseconds));
    /* A connection that was closed is to be known as such before an answer is sent on it. */
    for (int i = 0; i < count; i++)
        if ((events[i].events & EPOLLRDHUP) != 0)
            call(&events[i]);
    for (int i = 0; i < count; i++)
        if ((events[i].events & EPOLLRDHUP) == 0)
            call(&events[i]);
    fire_timers();
}

_Noreturn void loop_run(void) {
    for (;;)
        loop_turn(-1);
}
