/* imagekit's runtime client: between Lambda's Runtime API and what handles events (docs/runtime-client.md). */
#include "clock.h"
#include "extension.h"
#include "log.h"
#include "output.h"
#include "pool.h"
#include "runtime_api.h"
#include "shutdown.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum { MEMORY_OF_WORKER = 64, USUAL_MEMORY = 1024, PATH_LIMIT = 4096 };

static struct client client;

/* Descriptors 3 and 4 are the worker's: where they are free, nothing of the client's may lie there and be lost. */
static void occupy_descriptors(void) {
    int file;
    do
        file = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (file >= 0 && file <= 4);
    if (file >= 0)
        close(file);
    for (int i = 0; i < 3; i++)
        fcntl(i, F_SETFD, 0);
}

/* bootstrap.conf lies beside the program, wherever that is. */
static int open_configuration(char path[PATH_LIMIT]) {
    static const char name[] = "bootstrap.conf";
    ssize_t size = readlink("/proc/self/exe", path, PATH_LIMIT - sizeof name);
    if (size < 0)
        log_fatal("/proc/self/exe: %s", strerror(errno));
    path[size] = '\0';
    memcpy(strrchr(path, '/') + 1, name, sizeof name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static size_t read_file(int file, const char *path, char *text, size_t most) {
    size_t size = 0;
    ssize_t got;
    while (size < most && (got = read(file, text + size, most - size)) != 0) {
        if (got < 0)
            log_fatal("%s: %s", path, strerror(errno));
        size += (size_t)got;
    }
    close(file);
    return size;
}

static void read_configuration(void) {
    static char text[CONFIGURATION_LIMIT + 2];
    char path[PATH_LIMIT];
    struct mistake mistake;
    int file = open_configuration(path);
    if (file < 0)
        log_fatal("%s: %s", path, strerror(errno));
    size_t size = read_file(file, path, text, CONFIGURATION_LIMIT + 1);
    if (size > CONFIGURATION_LIMIT)
        log_fatal("%s has more than %d bytes", path, CONFIGURATION_LIMIT);
    if (configuration_parse(text, size, &client.configuration, &mistake))
        return;
    if (mistake.line == 0)
        log_fatal("%s: %s", path, mistake.text);
    log_fatal("%s, line %u: %s: %.*s", path, mistake.line, mistake.text, PRINTED(mistake.where));
}

static unsigned number_in(const char *variable, unsigned least, unsigned most) {
    uint64_t number = 0;
    const char *value = getenv(variable);
    if (value == NULL || !span_number(span_of(value), UINT32_MAX, &number) || number < least)
        return least;
    return number > most ? most : (unsigned)number;
}

/* Memory for each worker is a guess; `max_workers` says it where somebody knows. */
static unsigned most_workers(void) {
    unsigned memory = number_in("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 0, UINT32_MAX);
    unsigned suggested = (memory == 0 ? USUAL_MEMORY : memory) / MEMORY_OF_WORKER;
    unsigned said = client.configuration.max_workers;
    unsigned most = said > 0 ? said : suggested > 0 ? suggested : 1;
    return most < client.concurrency ? most : client.concurrency;
}

static bool variable_is(const char *name, const char *value) {
    const char *found = getenv(name);
    return found != NULL && strcmp(found, value) == 0;
}

static void read_environment(void) {
    client.concurrency = number_in("AWS_LAMBDA_MAX_CONCURRENCY", 1, MOST_EVENTS);
    client.snap_start = variable_is("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start");
    client.worker_limit = most_workers();
    client.worker_slots = client.worker_limit * (client.configuration.mode == MODE_WORKER ? 2 : 1);
}

static void describe_channel(void) {
    char block[12];
    snprintf(block, sizeof block, "%u", client.configuration.header_block);
    setenv("IMAGEKIT_FDS", client.configuration.socket ? "3,3" : "3,4", 1);
    if (client.configuration.header_block > 0)
        setenv("IMAGEKIT_HEADER_BLOCK", block, 1);
    else
        unsetenv("IMAGEKIT_HEADER_BLOCK");
}

static void set_variables(int count, char **arguments) {
    for (size_t i = 0; i < client.configuration.variable_count; i++) {
        char *variable = client.configuration.variables[i];
        char *value = strchr(variable, '=');
        *value++ = '\0';
        setenv(variable, value, 0);
    }
    if (count > 1)
        setenv("_HANDLER", arguments[1], 0);
    if (client.configuration.mode == MODE_WORKER)
        describe_channel();
}

static void enter_directory(void) {
    const char *root = getenv("LAMBDA_TASK_ROOT");
    client.directory = client.configuration.directory;
    if (client.directory == NULL)
        client.directory = root != NULL && root[0] == '/' ? root : "/var/task";
    client.directory_error = chdir(client.directory) == 0 ? 0 : errno;
}

_Noreturn static void become_command(void) {
    char **arguments = client.configuration.arguments;
    if (client.directory_error != 0)
        log_fatal("cannot enter %s: %s", client.directory, strerror(client.directory_error));
    execve(arguments[0], arguments, environ);
    log_fatal("cannot start %s: %s", arguments[0], process_start_error(arguments[0], errno));
}

static void find_runtime_api(void) {
    struct address address;
    const char *text = getenv("AWS_LAMBDA_RUNTIME_API");
    if (text == NULL || text[0] == '\0')
        log_fatal("AWS_LAMBDA_RUNTIME_API is not set: this is not Lambda; `imagekit invoke` or AWS's emulator "
                  "(aws-lambda-rie) stand in for it");
    if (!address_parse(text, &address))
        log_fatal("AWS_LAMBDA_RUNTIME_API is no address and port: %s", text);
    connection_set_address(&address);
    api_set_host(text);
}

static void log_takes(void) {
    process_errors_go_on();
    if (client.workers != NULL)
        pool_balance(&client);
}

int main(int count, char **arguments) {
    log_as_json(variable_is("AWS_LAMBDA_LOG_FORMAT", "JSON") || number_in("AWS_LAMBDA_MAX_CONCURRENCY", 1, 2) > 1);
    occupy_descriptors();
    loop_open();
    output_open(log_takes);
    read_configuration();
    read_environment();
    set_variables(count, arguments);
    enter_directory();
    if (client.configuration.mode == MODE_COMMAND)
        become_command();
    client.content_type = span_of(client.configuration.content_type);
    if (client.content_type.at == NULL)
        client.content_type = SPAN("application/json");
    find_runtime_api();
    shutdown_open(&client);
    pool_open(&client);
    if (client.configuration.graceful)
        extension_register(&client);
    pool_balance(&client);
    connection_open(&client.invocations[0].connection);
    loop_run();
}
