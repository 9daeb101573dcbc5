#include "configuration.h"

#include <string.h>

enum { HEADER_BLOCK_LIMIT = 4096 };

typedef const char *(*setter)(struct configuration *, char *value);

static const char *set_mode(struct configuration *configuration, char *value) {
    static const char *const names[] = {"", "worker", "per_event", "command"};
    for (int mode = MODE_WORKER; mode <= MODE_COMMAND; mode++) {
        if (strcmp(value, names[mode]) == 0) {
            configuration->mode = (enum mode)mode;
            return NULL;
        }
    }
    return "mode is worker, per_event or command";
}

static const char *set_argument(struct configuration *configuration, char *value) {
    if (configuration->argument_count == CONFIGURATION_WORDS)
        return "too many arguments";
    if (configuration->argument_count == 0 && value[0] != '/')
        return "the first argument is an absolute path";
    configuration->arguments[configuration->argument_count++] = value;
    return NULL;
}

static const char *set_variable(struct configuration *configuration, char *value) {
    if (configuration->variable_count == CONFIGURATION_WORDS)
        return "too many variables";
    if (value[0] == '=' || strchr(value, '=') == NULL)
        return "variable is NAME=VALUE";
    configuration->variables[configuration->variable_count++] = value;
    return NULL;
}

static const char *set_channel(struct configuration *configuration, char *value) {
    configuration->socket = strcmp(value, "socket") == 0;
    return configuration->socket || strcmp(value, "pipes") == 0 ? NULL : "channel is pipes or socket";
}

static const char *set_events(struct configuration *configuration, char *value) {
    configuration->text = strcmp(value, "text") == 0;
    return configuration->text || strcmp(value, "bytes") == 0 ? NULL : "events is bytes or text";
}

static const char *set_shutdown(struct configuration *configuration, char *value) {
    configuration->graceful = strcmp(value, "graceful") == 0;
    return configuration->graceful || strcmp(value, "none") == 0 ? NULL : "shutdown is graceful or none";
}

static const char *set_directory(struct configuration *configuration, char *value) {
    configuration->directory = value;
    return value[0] == '/' ? NULL : "directory is an absolute path";
}

/* It becomes a header's value. */
static const char *set_content_type(struct configuration *configuration, char *value) {
    configuration->content_type = value;
    for (const char *byte = value; *byte != '\0'; byte++)
        if (*byte < ' ' || *byte > '~')
            return "content_type is printable ASCII";
    return value[0] != '\0' && strlen(value) <= 1024 ? NULL : "content_type has 1 to 1024 characters";
}

static const char *set_number(char *value, unsigned least, unsigned most, unsigned *number) {
    uint64_t found = 0;
    if (!span_number(span_of(value), most, &found) || found < least)
        return "is not a number in its range";
    *number = (unsigned)found;
    return NULL;
}

static const char *set_max_workers(struct configuration *configuration, char *value) {
    return set_number(value, 1, 1600, &configuration->max_workers) == NULL ? NULL : "max_workers is 1 to 1600";
}

static const char *set_deadline_margin(struct configuration *configuration, char *value) {
    const char *wrong = set_number(value, 0, 900000, &configuration->deadline_margin);
    return wrong == NULL ? NULL : "deadline_margin is 0 to 900000 milliseconds";
}

static const char *set_header_block(struct configuration *configuration, char *value) {
    const char *wrong = set_number(value, 0, HEADER_BLOCK_LIMIT, &configuration->header_block);
    return wrong == NULL ? NULL : "header_block is 0 to 4096 bytes";
}

static const struct {
    const char *name;
    setter set;
    bool repeats;
} keys[] = {
    {"mode", set_mode, false},
    {"argument", set_argument, true},
    {"channel", set_channel, false},
    {"events", set_events, false},
    {"directory", set_directory, false},
    {"variable", set_variable, true},
    {"content_type", set_content_type, false},
    {"max_workers", set_max_workers, false},
    {"deadline_margin", set_deadline_margin, false},
    {"header_block", set_header_block, false},
    {"shutdown", set_shutdown, false},
};

static const char *set(struct configuration *configuration, struct span name, char *value) {
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!span_equal(name, span_of(keys[i].name)))
            continue;
        bool again = (configuration->keys_seen >> i & 1) != 0;
        configuration->keys_seen |= 1U << i;
        return again && !keys[i].repeats ? "a second time" : keys[i].set(configuration, value);
    }
    return "unknown key";
}

/* `value` ends with NUL, `key` does not. */
static const char *parse_line(struct configuration *configuration, struct span line) {
    struct span value = line;
    struct span key = span_cut(&value, '=');
    if (memchr(line.at, '\0', line.size) != NULL)
        return "a NUL byte";
    if (key.size == line.size)
        return "not key=value";
    return set(configuration, key, (char *)(uintptr_t)value.at);
}

static const char *missing(const struct configuration *configuration) {
    if (configuration->mode == MODE_NONE)
        return "mode is missing";
    return configuration->argument_count == 0 ? "argument is missing" : NULL;
}

bool configuration_parse(char *text, size_t size, struct configuration *configuration, struct mistake *mistake) {
    struct span rest = {text, size};
    *configuration = (struct configuration){0};
    *mistake = (struct mistake){0};
    while (mistake->text == NULL && rest.size > 0) {
        struct span line = span_cut(&rest, '\n');
        text[(size_t)(line.at - text) + line.size] = '\0';
        mistake->line++;
        mistake->where = line;
        if (line.size > 0 && line.at[0] != '#')
            mistake->text = parse_line(configuration, line);
    }
    if (mistake->text == NULL)
        *mistake = (struct mistake){.text = missing(configuration)};
    return mistake->text == NULL;
}
