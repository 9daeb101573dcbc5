/* Lambda's Runtime API (2018-06-01) for measuring: gives out one event again and again, and times what comes back.
 *
 * One client is started and served. "rt" is from just before the answer to GET next is written until the last byte of
 * POST response was read; "cycle" is until the next GET next. CPU is that of all processes together, from the first
 * GET next on. Results are one line of JSON. Anything but one right answer for each event ends it with code 1.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "options.h"
#include "processes.h"
#include "server.h"

#define OPEN 4096
#define ID_BEGINS "8476a536-e9f4-11e8-9739-"
#define ID ID_BEGINS "%012x"
#define PATH_OF_ID "/2018-06-01/runtime/invocation/"

static struct {
    struct options options;
    struct event event;
    struct letters seen;
    pid_t pid;
    uint64_t started, first_next, measured_from, measured_to;
    uint64_t cpu_before;
    unsigned given, answered;
    uint64_t sent[OPEN]; /* when, for events that are open; 0 for others */
    double *rt, *cycle;  /* microseconds */
    size_t cycles;
    uint64_t last_sent, answer_size;
    long before, most; /* KiB of the client itself while an answer is streamed */
} run;

void fail(const char *format, ...)
{
    va_list words;
    va_start(words, format);
    fputs("emulator: ", stderr);
    vfprintf(stderr, format, words);
    fputc('\n', stderr);
    va_end(words);
    processes_end();
    exit(1);
}

static void give(struct connection *connection)
{
    char headers[512];
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    snprintf(headers, sizeof headers,
             "Content-Type: application/json\r\n"
             "Lambda-Runtime-Aws-Request-Id: " ID "\r\n"
             "Lambda-Runtime-Deadline-Ms: %lld\r\n"
             "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:123456789012:function:measured\r\n"
             "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n",
             run.given, (long long)time.tv_sec * 1000 + 300000);
    uint64_t *sent = &run.sent[run.given++ % OPEN];
    *sent = run.last_sent = now();
    if (run.given == run.options.warm + 1)
        run.measured_from = *sent;
    server_answer(connection, "200 OK", headers, run.event.bytes, run.event.size);
}

static bool enough(uint64_t time)
{
    bool late = run.measured_from != 0 && (double)(time - run.measured_from) > run.options.seconds * 1e9;
    return late || run.given == run.options.warm + run.options.events;
}

static void on_next(struct connection *connection)
{
    uint64_t time = now();
    if (run.given == 0) {
        run.first_next = time;
        if (run.options.starts > 0) {
            server_stop();
            return;
        }
        run.cpu_before = processes_cpu(run.pid);
        run.before = process_memory(run.pid).rss;
    } else if (run.given > run.options.warm) {
        run.cycle[run.cycles++] = (double)(time - run.last_sent) / 1e3;
    }
    if (!enough(time)) {
        give(connection);
        return;
    }
    run.measured_to = time;
    server_stop();
}

static void compare(uint64_t size)
{
    bool warm = run.answered < run.options.warm;
    if (run.options.stream > 0) {
        if (size != run.options.stream)
            fail("an answer has %llu bytes", (unsigned long long)size);
        return;
    }
    if (warm && !letters_same(&run.seen, &run.event.letters))
        fail("an answer of %llu bytes is not the event", (unsigned long long)size);
    if (run.answered > 0 && size != run.answer_size)
        fail("an answer has %llu bytes, not as many as the first", (unsigned long long)size);
    run.answer_size = size;
    memset(&run.seen, 0, sizeof run.seen);
}

static void on_response(struct connection *connection, unsigned number)
{
    uint64_t time = now();
    if (number >= run.given || run.given - number > OPEN || run.sent[number % OPEN] == 0)
        fail("an answer to an event that is not open: %s", connection->request.path);
    if (number >= run.options.warm)
        run.rt[number - run.options.warm] = (double)(time - run.sent[number % OPEN]) / 1e3;
    run.sent[number % OPEN] = 0;
    compare(connection->request.body);
    run.answered++;
    server_answer(connection, "202 Accepted", "Content-Type: application/json\r\n", "{\"status\":\"OK\"}\n", 16);
}

/* The number of the event that a path answers. */
static bool answers(const char *path, unsigned *number)
{
    static const char begins[] = PATH_OF_ID ID_BEGINS;
    char *end;
    if (strncmp(path, begins, sizeof begins - 1) != 0)
        return false;
    *number = (unsigned)strtoul(path + sizeof begins - 1, &end, 16);
    return end == path + sizeof begins - 1 + 12 && strcmp(end, "/response") == 0;
}

static void on_request(struct connection *connection)
{
    const char *path = connection->request.path;
    unsigned number;
    if (!connection->request.post && strcmp(path, PATH_OF_ID "next") == 0)
        on_next(connection);
    else if (connection->request.post && answers(path, &number))
        on_response(connection, number);
    else
        fail("%s %s", connection->request.post ? "POST" : "GET", path);
}

/* While an answer is streamed the client's memory is looked at 32 times. */
static void on_body(struct connection *connection, const char *bytes, size_t size)
{
    if (run.options.stream > 0) {
        if (connection->request.body < connection->mark)
            return;
        connection->mark = connection->request.body + run.options.stream / 32;
        long rss = process_memory(run.pid).rss;
        run.most = rss > run.most ? rss : run.most;
    } else if (strstr(connection->request.path, "/error") != NULL) {
        fail("%s: %.*s", connection->request.path, (int)(size < 500 ? size : 500), bytes);
    } else if (run.answered < run.options.warm) {
        letters_add(&run.seen, bytes, size);
    }
}

static void on_end(void)
{
    fail("the client ended");
}

static const struct service SERVICE = {.request = on_request, .body = on_body, .ended = on_end};

static void serve_one(void)
{
    run.started = now();
    run.pid = processes_start(run.options.command);
    int pidfd = (int)syscall(SYS_pidfd_open, run.pid, 0);
    if (pidfd < 0)
        fail("pidfd_open: %s", strerror(errno));
    server_run(&SERVICE, pidfd, (int)run.options.patience);
    close(pidfd);
}

static int by_size(const void *one, const void *other)
{
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static void print_times(const char *name, double *times, size_t count)
{
    qsort(times, count, sizeof *times, by_size);
    printf("\"%s\": {\"p50\": %.2f, \"p99\": %.2f, \"best\": %.2f}, ", name, times[count / 2], times[count * 99 / 100],
           times[0]);
}

static void starts(void)
{
    printf("{\"cold\": [");
    for (unsigned number = 0; number < run.options.starts; number++) {
        serve_one();
        processes_end();
        server_clear();
        printf("%s%.1f", number > 0 ? ", " : "", (double)(run.first_next - run.started) / 1e3);
    }
    printf("]}\n");
}

static void measure(void)
{
    serve_one();
    nanosleep(&(struct timespec){.tv_nsec = run.options.settle * 1000000L}, NULL);
    struct memory client = process_memory(run.pid), all = processes_memory(run.pid);
    long peak = process_peak(run.pid);
    uint64_t cpu = processes_end() - run.cpu_before;
    size_t count = run.answered - run.options.warm;
    printf("{\"events\": %zu, ", count);
    print_times("rt", run.rt, count);
    print_times("cycle", run.cycle, run.cycles);
    printf("\"per_second\": %.1f, ", (double)count * 1e9 / (double)(run.measured_to - run.measured_from));
    printf("\"cpu\": %.2f, ", (double)cpu / 1e3 / run.answered);
    printf("\"client_kib\": %ld, \"peak_kib\": %ld, ", client.rss, peak);
    printf("\"rss_kib\": %ld, \"pss_kib\": %ld, ", all.rss, all.pss);
    printf("\"growth_kib\": %ld}\n", run.most > run.before ? run.most - run.before : 0);
}

int main(int argc, char **argv)
{
    char address[32];
    run.options = options_read(argc, argv);
    run.event = event_of(run.options.size);
    run.rt = calloc(run.options.events + 1, sizeof *run.rt);
    run.cycle = calloc(run.options.events + 1, sizeof *run.cycle);
    processes_adopt();
    snprintf(address, sizeof address, "127.0.0.1:%d", server_listen());
    setenv("AWS_LAMBDA_RUNTIME_API", address, 1);
    if (run.options.starts > 0)
        starts();
    else
        measure();
    return 0;
}
