#include "process.h"

#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE_SIZE = 64 << 10 };

static struct process *processes;
static sigset_t kept_mask;

void process_keep_signals(const sigset_t *mask) {
    kept_mask = *mask;
}

static void keep_tail(struct process *process, struct span bytes) {
    if (bytes.size > PROCESS_TAIL)
        bytes = span_from(bytes, bytes.size - PROCESS_TAIL);
    size_t stays = process->tail_size;
    if (stays > PROCESS_TAIL - bytes.size)
        stays = PROCESS_TAIL - bytes.size;
    memmove(process->tail, process->tail + process->tail_size - stays, stays);
    memcpy(process->tail + stays, bytes.at, bytes.size);
    process->tail_size = stays + bytes.size;
}

/* The size of one piece; 0 when there is none. */
static size_t pass_piece(struct process *process) {
    static char piece[PIPE_SIZE];
    if (process->errors.fd < 0)
        return 0;
    ssize_t got = read(process->errors.fd, piece, sizeof piece);
    if (got == 0)
        loop_close(&process->errors);
    if (got <= 0)
        return 0;
    struct span bytes = {piece, (size_t)got};
    keep_tail(process, bytes);
    output_write(bytes);
    return bytes.size;
}

static void watch_all(void) {
    for (struct process *process = processes; process != NULL; process = process->next)
        loop_watch(&process->errors, output_takes() ? EPOLLIN : 0);
}

void process_errors_go_on(void) {
    watch_all();
}

/* What is written while it is being passed on does not count, so that nobody can keep the client here. */
static size_t bytes_waiting(const struct process *process) {
    int size = 0;
    if (process->errors.fd < 0 || ioctl(process->errors.fd, FIONREAD, &size) < 0 || size < 0)
        return 0;
    return (size_t)size;
}

/* How much of it is left when the log takes no more. */
static size_t pass(struct process *process, size_t waiting) {
    size_t passed = 0, piece;
    while (passed < waiting && output_wait() && (piece = pass_piece(process)) > 0)
        passed += piece;
    return passed < waiting ? waiting - passed : 0;
}

void process_pass_errors(struct process *process) {
    pass(process, bytes_waiting(process));
    output_wait();
    if (!output_takes())
        watch_all();
}

void process_last_errors(struct process *process) {
    size_t left = pass(process, bytes_waiting(process)), piece;
    while (left > 0 && (piece = pass_piece(process)) > 0)
        left -= piece < left ? piece : left;
    output_wait();
    loop_close(&process->errors);
    if (!output_takes())
        watch_all();
}

static void errors_ready(struct source *source, uint32_t events) {
    (void)events;
    if (output_takes())
        pass_piece(CONTAINER(source, struct process, errors));
    if (!output_takes())
        watch_all();
}

static void list(struct process *process) {
    if (process->listed)
        return;
    process->listed = true;
    process->next = processes;
    processes = process;
}

static void set_attributes(posix_spawnattr_t *attributes) {
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE); /* ignored signals stay ignored in what is started */
    posix_spawnattr_init(attributes);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(attributes, &kept_mask);
    posix_spawnattr_setsigdefault(attributes, &defaults);
    posix_spawnattr_setpgroup(attributes, 0);
}

static void set_descriptors(posix_spawn_file_actions_t *actions, const struct descriptor *descriptors, int errors) {
    posix_spawn_file_actions_init(actions);
    posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(actions, errors, STDERR_FILENO);
    for (; descriptors->ours >= 0; descriptors++)
        posix_spawn_file_actions_adddup2(actions, descriptors->ours, descriptors->theirs);
}

int process_start(struct process *process, char **arguments, char **environment, const struct descriptor *descriptors) {
    int errors[2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (pipe2(errors, O_CLOEXEC) < 0)
        return errno;
    set_attributes(&attributes);
    set_descriptors(&actions, descriptors, errors[1]);
    int error = posix_spawn(&process->pid, arguments[0], &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    close(errors[1]);
    if (error != 0) {
        process->pid = 0;
        close(errors[0]);
        return error;
    }
    list(process);
    fcntl(errors[0], F_SETFL, O_NONBLOCK);
    process->tail_size = 0;
    process->errors = (struct source){.fd = errors[0], .ready = errors_ready};
    loop_watch(&process->errors, output_takes() ? EPOLLIN : 0);
    return 0;
}

const char *process_start_error(const char *program, int error) {
    if (error == ENOENT && access(program, F_OK) == 0)
        return "it is there, but its interpreter (the #! line) or its loader is missing";
    return strerror(error);
}

void process_signal(const struct process *process, int signal) {
    if (process->pid > 0 && kill(-process->pid, signal) < 0)
        kill(process->pid, signal);
}

/* Its last line that is not empty. */
static struct span last_line(const struct process *process) {
    struct span rest = {process->tail, process->tail_size}, last = {0};
    while (rest.size > 0) {
        struct span line = span_trimmed(span_cut(&rest, '\n'));
        if (line.size > 0 && line.at[line.size - 1] == '\r')
            line.size--;
        if (line.size > 0)
            last = line;
    }
    return last;
}

static void describe_signal(int signal, struct buffer *text) {
    const char *name = strsignal(signal);
    char first = name[0] >= 'A' && name[0] <= 'Z' ? (char)(name[0] + ('a' - 'A')) : name[0];
    buffer_add(text, SPAN("signal: "));
    buffer_add(text, (struct span){&first, 1});
    buffer_add(text, span_of(name + 1));
    if (signal == SIGKILL)
        buffer_add(text, SPAN(", likely out of memory"));
}

void process_describe_end(const struct process *process, int status, struct buffer *text) {
    struct span last = last_line(process);
    if (WIFSIGNALED(status)) {
        describe_signal(WTERMSIG(status), text);
    } else {
        buffer_add(text, SPAN("exit status "));
        buffer_add_number(text, (uint64_t)WEXITSTATUS(status));
    }
    if (last.size > 0) {
        buffer_add(text, SPAN(": "));
        buffer_add(text, last);
    }
}
