#include "per_event.h"

#include "http.h"
#include "invocation.h"
#include "json.h"
#include "log.h"
#include "pool.h"
#include "reply.h"
#include "runtime_api.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { READ_SIZE = 64 << 10, LAST_READS = 256, COUNTED_LIMIT = 64 << 20 };

/* The variables that are an event's own: what is there of an earlier one, or of the client's environment, does not count. */
static const struct {
    struct span header, variable;
} variables_of_event[] = {
    {SPAN("lambda-runtime-trace-id"), SPAN("_X_AMZN_TRACE_ID")},
    {SPAN("lambda-runtime-aws-request-id"), SPAN("LAMBDA_RUNTIME_AWS_REQUEST_ID")},
    {SPAN("lambda-runtime-deadline-ms"), SPAN("LAMBDA_RUNTIME_DEADLINE_MS")},
    {SPAN("lambda-runtime-invoked-function-arn"), SPAN("LAMBDA_RUNTIME_INVOKED_FUNCTION_ARN")},
    {SPAN("lambda-runtime-client-context"), SPAN("LAMBDA_RUNTIME_CLIENT_CONTEXT")},
    {SPAN("lambda-runtime-cognito-identity"), SPAN("LAMBDA_RUNTIME_COGNITO_IDENTITY")},
    {SPAN("lambda-runtime-aws-tenant-id"), SPAN("LAMBDA_RUNTIME_AWS_TENANT_ID")},
};
enum { VARIABLES = sizeof variables_of_event / sizeof *variables_of_event };

/* A variable of 128 KiB or more lets no process start at all (execve, MAX_ARG_STRLEN). */
enum { VARIABLE_LIMIT = 100 << 10 };

void per_event_add_variables(struct buffer *variables, struct span fields) {
    for (size_t i = 0; i < VARIABLES; i++) {
        struct span value = http_field(fields, variables_of_event[i].header);
        if (value.size == 0)
            continue;
        if (value.size > VARIABLE_LIMIT) {
            log_line(LOG_WARN, (struct span){0}, "%.*s is too long for a variable and left out",
                     PRINTED(variables_of_event[i].header));
            continue;
        }
        buffer_add(variables, variables_of_event[i].variable);
        buffer_add(variables, SPAN("="));
        buffer_add(variables, value);
        buffer_add(variables, (struct span){"", 1});
    }
}

static bool is_events_own(const char *entry) {
    struct span rest = span_of(entry);
    struct span name = span_cut(&rest, '=');
    for (size_t i = 0; i < VARIABLES; i++)
        if (span_equal(name, variables_of_event[i].variable))
            return true;
    return false;
}

/* The client's environment with the event's variables; NULL without memory. */
static char **make_environment(const struct invocation *invocation) {
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    char **made = calloc(count + VARIABLES + 1, sizeof *made);
    char **at = made;
    for (size_t i = 0; made != NULL && i < count; i++)
        if (!is_events_own(environ[i]))
            *at++ = environ[i];
    struct span rest = buffer_span(&invocation->fields);
    while (made != NULL && rest.size > 0)
        *at++ = (char *)(uintptr_t)span_cut(&rest, '\0').at;
    return made;
}

static bool write_all(int file, struct span bytes) {
    while (bytes.size > 0) {
        ssize_t written = write(file, bytes.at, bytes.size);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0)
            bytes = span_from(bytes, (size_t)written);
    }
    return true;
}

/* A file in memory: whoever does not read it blocks nobody. */
static int make_stdin(struct invocation *invocation) {
    int file = memfd_create("event", MFD_CLOEXEC);
    if (file < 0)
        file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0 || !write_all(file, invocation_body(invocation)) || lseek(file, 0, SEEK_SET) < 0)
        log_fatal("cannot keep the event for the process: %s", strerror(errno));
    buffer_reset(&invocation->event, READ_SIZE);
    invocation->unfed = 0;
    return file;
}

/* It answers no more; its end is waited for. */
static void kill_for_size(struct worker *worker) {
    worker->state = WORKER_ENDING;
    loop_close(&worker->frames);
    process_signal(&worker->process, SIGKILL);
    reply_too_large(worker->answered, "more than ", worker->left);
}

/* An answer that is too large is only counted, so that its size can be told. */
static void count(struct worker *worker, size_t more) {
    struct buffer *reply = &worker->answered->reply;
    worker->left += more;
    if (worker->left <= API_ANSWER_LIMIT)
        return;
    buffer_reset(reply, READ_SIZE);
    if (worker->left > COUNTED_LIMIT)
        kill_for_size(worker);
}

static bool read_stdout(struct worker *worker) {
    struct invocation *invocation = worker->answered;
    struct buffer ignored = {0};
    struct buffer *to = invocation == NULL ? &ignored : &invocation->reply;
    char *at = buffer_room(to, READ_SIZE);
    ssize_t got = read(worker->frames.fd, at, READ_SIZE);
    to->end += got > 0 ? (size_t)got : 0;
    buffer_reset(&ignored, 0);
    if (got == 0)
        loop_close(&worker->frames);
    if (got > 0 && invocation != NULL)
        count(worker, (size_t)got);
    return got > 0;
}

static void stdout_ready(struct source *source, uint32_t events) {
    (void)events;
    read_stdout(CONTAINER(source, struct worker, frames));
}

static void cannot_start(struct worker *worker, struct invocation *invocation, int error) {
    const char *program = worker->client->configuration.arguments[0];
    struct buffer message = {0};
    buffer_add(&message, SPAN("cannot start "));
    buffer_add(&message, span_of(program));
    buffer_add(&message, SPAN(": "));
    buffer_add(&message, span_of(process_start_error(program, error)));
    log_line(LOG_ERROR, invocation_id(invocation), "%.*s", PRINTED(buffer_span(&message)));
    reply_message(invocation, SPAN("Runtime.InvalidEntrypoint"), buffer_span(&message));
    buffer_reset(&message, 0);
}

void per_event_start(struct worker *worker, struct invocation *invocation) {
    int output[2];
    int input = make_stdin(invocation);
    char **environment = make_environment(invocation);
    if (environment == NULL || pipe2(output, O_CLOEXEC) < 0)
        log_fatal("cannot start a process: %s", strerror(errno));
    struct descriptor descriptors[] = {{input, STDIN_FILENO}, {output[1], STDOUT_FILENO}, {-1, 0}};
    char **arguments = worker->client->configuration.arguments;
    int error = process_start(&worker->process, arguments, environment, descriptors);
    free(environment);
    close(input);
    close(output[1]);
    if (error != 0) {
        close(output[0]);
        cannot_start(worker, invocation, error);
        return;
    }
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    worker->answered = invocation;
    worker->left = 0;
    worker->frames = (struct source){.fd = output[0], .ready = stdout_ready};
    loop_watch(&worker->frames, EPOLLIN);
}

static void report_failure(struct worker *worker, struct invocation *invocation) {
    struct buffer message = {0};
    process_describe_end(&worker->process, worker->status, &message);
    log_line(LOG_ERROR, invocation_id(invocation), "the process failed: %.*s", PRINTED(buffer_span(&message)));
    reply_message(invocation, SPAN("Runtime.ExitError"), buffer_span(&message));
    buffer_reset(&message, 0);
}

/* What it started may have its stdout and stderr too, and keeps them from nothing: what is there by now is the answer. */
void per_event_ended(struct worker *worker) {
    for (int i = 0; i < LAST_READS && worker->frames.fd >= 0 && read_stdout(worker); i++)
        ;
    process_last_errors(&worker->process);
    loop_close(&worker->frames);
    struct invocation *invocation = worker->answered;
    worker->state = WORKER_READY;
    worker->dead = false;
    if (invocation != NULL && worker->left > API_ANSWER_LIMIT)
        reply_too_large(invocation, "", worker->left);
    else if (invocation != NULL && worker->status == 0)
        reply_response(invocation, worker->client->content_type, (struct span){0});
    else if (invocation != NULL)
        report_failure(worker, invocation);
    pool_balance(worker->client);
}
