#include "shutdown.h"

#include "log.h"
#include "worker.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static struct client *owner;
static struct source source;

static bool all_ended(void) {
    for (unsigned i = 0; i < owner->worker_slots; i++)
        if (owner->workers[i].process.pid > 0)
            return false;
    return true;
}

/* Workers are the client's children; without a worker it goes at once. */
static void kill_all(void) {
    for (unsigned i = 0; i < owner->worker_slots; i++)
        process_signal(&owner->workers[i].process, SIGKILL);
}

static void begin_to_end(void) {
    if (owner->stage == STAGE_ENDING)
        return;
    owner->stage = STAGE_ENDING;
    for (unsigned i = 0; i < owner->worker_slots; i++)
        if (owner->workers[i].process.pid > 0)
            worker_ask_to_end(&owner->workers[i]);
}

/* Also those that are nobody's any more, where the client is the first process. */
static void reap(void) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        worker_process_ended(owner, pid, status);
}

static void ready(struct source *from, uint32_t events) {
    struct signalfd_siginfo signal;
    (void)events;
    while (read(from->fd, &signal, sizeof signal) == sizeof signal) {
        if (signal.ssi_signo == SIGCHLD)
            reap();
        else
            begin_to_end();
        if (owner->stage == STAGE_ENDING && all_ended())
            log_end(0);
    }
}

void shutdown_open(struct client *client) {
    sigset_t signals, before;
    owner = client;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, &before);
    process_keep_signals(&before);
    signal(SIGPIPE, SIG_IGN);
    log_before_end = kill_all;
    source = (struct source){.fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC), .ready = ready};
    if (source.fd < 0)
        log_fatal("signalfd: %s", strerror(errno));
    loop_watch(&source, EPOLLIN);
}
