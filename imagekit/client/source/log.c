#include "log.h"

#include "buffer.h"
#include "json.h"
#include "output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LINE_LIMIT = 4096, FLUSH_MILLISECONDS = 200 };

static bool as_json;
void (*log_before_end)(void);

void log_as_json(bool json) {
    as_json = json;
}

static void add_timestamp(struct buffer *out) {
    struct timespec now;
    struct tm parts;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    int size = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                        parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                        (int)(now.tv_nsec / 1000000));
    json_add_string(out, (struct span){text, (size_t)size});
}

static void add_json(struct buffer *out, enum log_level level, struct span request, struct span message) {
    static const char *const names[] = {"INFO", "WARN", "ERROR"};
    buffer_add(out, SPAN("{\"timestamp\":"));
    add_timestamp(out);
    buffer_add(out, SPAN(",\"level\":"));
    json_add_string(out, span_of(names[level]));
    buffer_add(out, SPAN(",\"message\":"));
    json_add_string(out, message);
    if (request.size > 0) {
        buffer_add(out, SPAN(",\"requestId\":"));
        json_add_string(out, request);
    }
    buffer_add(out, SPAN("}\n"));
}

static void add_text(struct buffer *out, struct span request, struct span message) {
    buffer_add(out, SPAN("imagekit: "));
    buffer_add(out, message);
    if (request.size > 0) {
        buffer_add(out, SPAN(" (request "));
        buffer_add(out, request);
        buffer_add(out, SPAN(")"));
    }
    buffer_add(out, SPAN("\n"));
}

/* What others wrote stands in messages: it must neither end the line nor steer a terminal. */
static void sanitise(char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
}

static void write_line(enum log_level level, struct span request, const char *format, va_list values) {
    char text[LINE_LIMIT];
    struct buffer line = {0};
    int written = vsnprintf(text, sizeof text, format, values);
    size_t size = written < 0 ? 0 : (size_t)written < sizeof text ? (size_t)written : sizeof text - 1;
    sanitise(text, size);
    if (as_json)
        add_json(&line, level, request, (struct span){text, size});
    else
        add_text(&line, request, (struct span){text, size});
    output_line(buffer_span(&line));
    buffer_reset(&line, 0);
}

void log_line(enum log_level level, struct span request, const char *format, ...) {
    va_list values;
    va_start(values, format);
    write_line(level, request, format, values);
    va_end(values);
}

_Noreturn void log_end(int code) {
    if (log_before_end != NULL)
        log_before_end();
    output_flush(FLUSH_MILLISECONDS);
    _Exit(code);
}

_Noreturn void log_fatal(const char *format, ...) {
    va_list values;
    va_start(values, format);
    write_line(LOG_ERROR, (struct span){0}, format, values);
    va_end(values);
    log_end(1);
}
