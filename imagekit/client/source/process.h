/* A process that the client starts: its start, its stderr on the way to the log, its end. */
#ifndef PROCESS_H
#define PROCESS_H

#include "buffer.h"
#include "loop.h"

#include <signal.h>
#include <sys/types.h>

enum { PROCESS_TAIL = 4096 };

struct process {
    pid_t pid;            /* 0: none, or it has ended and was reaped */
    struct source errors; /* its stderr */
    char tail[PROCESS_TAIL];
    size_t tail_size;
    struct process *next; /* all that were ever started, for stderr */
    bool listed;
};

/* A descriptor of the client, and what it is in the process. */
struct descriptor {
    int ours, theirs;
};

/* Which signals the client had blocked, and so the process has, when it was started. */
void process_keep_signals(const sigset_t *mask);
/* Starts it in a process group of its own; stderr goes through the client, stdin is /dev/null unless said. 0, or errno. */
int process_start(struct process *process, char **arguments, char **environment, const struct descriptor *descriptors);
/* Why it was not started: a program that is there, but has no interpreter or loader, is not found either (execve(2)). */
const char *process_start_error(const char *program, int error);
/* A signal to it and to all that it started in its group. */
void process_signal(const struct process *process, int signal);
/* Passes on what it wrote to stderr up to now, and waits a while for a log that is read slowly (output_wait). What is not
   passed on then comes later. */
void process_pass_errors(struct process *process);
/* The same for one that has ended: what the log does not take is kept, then stderr is closed. */
void process_last_errors(struct process *process);
/* The log takes bytes again. */
void process_errors_go_on(void);
/* Writes how it ended, and its last line on stderr, as `exit status 1: Segmentation fault`. */
void process_describe_end(const struct process *process, int status, struct buffer *text);

#endif
