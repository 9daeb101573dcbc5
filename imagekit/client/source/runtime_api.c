#include "runtime_api.h"

#include <stdio.h>

enum { HOST_LIMIT = 300 };

static const char *said_host;
static char common[HOST_LIMIT + 64]; /* the end of the first line, and what every request says */
static char next_request[sizeof common + 64];

void api_set_host(const char *host) {
    said_host = host;
    snprintf(common, sizeof common, " HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: imagekit/" VERSION "\r\n", HOST_LIMIT, host);
    snprintf(next_request, sizeof next_request, "GET /2018-06-01/runtime/invocation/next%s\r\n", common);
}

const char *api_host(void) {
    return said_host;
}

void api_ask_next(struct connection *connection) {
    connection_send(connection, span_of(next_request), (struct span){0}, (struct span){0});
}

static void ask(struct connection *connection, const char *method, const char *path, struct span rest) {
    struct buffer head = {0};
    buffer_add(&head, span_of(method));
    buffer_add(&head, span_of(path));
    buffer_add(&head, span_of(common));
    connection_send(connection, buffer_span(&head), rest, (struct span){0});
    buffer_reset(&head, 0);
}

void api_ask_restored(struct connection *connection) {
    ask(connection, "GET ", "/2018-06-01/runtime/restore/next", SPAN("\r\n"));
}

static void add_post(struct buffer *head, struct span path) {
    buffer_add(head, SPAN("POST /2018-06-01/runtime/"));
    buffer_add(head, path);
    buffer_add(head, span_of(common));
}

static void add_field(struct buffer *head, struct span name, struct span value) {
    buffer_add(head, name);
    buffer_add(head, SPAN(": "));
    buffer_add(head, value);
    buffer_add(head, SPAN("\r\n"));
}

static void add_length(struct buffer *head, uint64_t size) {
    buffer_add(head, SPAN("Content-Length: "));
    buffer_add_number(head, size);
    buffer_add(head, SPAN("\r\n\r\n"));
}

static void add_response_start(struct buffer *head, struct span id, struct span content_type) {
    buffer_add(head, SPAN("POST /2018-06-01/runtime/invocation/"));
    buffer_add(head, id);
    buffer_add(head, SPAN("/response"));
    buffer_add(head, span_of(common));
    add_field(head, SPAN("Content-Type"), content_type);
}

void api_add_response_head(struct buffer *head, struct span id, struct span content_type, uint64_t size) {
    add_response_start(head, id, content_type);
    add_length(head, size);
}

void api_add_stream_head(struct buffer *head, struct span id, struct span content_type) {
    add_response_start(head, id, content_type);
    buffer_add(head, SPAN("Lambda-Runtime-Function-Response-Mode: streaming\r\n"
                          "Transfer-Encoding: chunked\r\n"
                          "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"));
}

void api_add_error_head(struct buffer *head, const struct api_error *error) {
    add_post(head, error->path);
    add_field(head, SPAN("Content-Type"), SPAN("application/vnd.aws.lambda.error+json"));
    add_field(head, SPAN("Lambda-Runtime-Function-Error-Type"), error->type);
    if (error->cause.size > 0)
        add_field(head, SPAN("Lambda-Runtime-Function-XRay-Error-Cause"), error->cause);
    add_length(head, error->size);
}

static void add_base64(struct buffer *out, struct span bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        unsigned group = (unsigned)(unsigned char)bytes.at[i] << 16;
        group |= left > 1 ? (unsigned)(unsigned char)bytes.at[i + 1] << 8 : 0;
        group |= left > 2 ? (unsigned)(unsigned char)bytes.at[i + 2] : 0;
        char four[4] = {digits[group >> 18], digits[group >> 12 & 63], left > 1 ? digits[group >> 6 & 63] : '=',
                        left > 2 ? digits[group & 63] : '='};
        buffer_add(out, (struct span){four, 4});
    }
}

void api_add_error_trailers(struct buffer *out, struct span type, struct span body) {
    buffer_add(out, SPAN("0\r\n"));
    add_field(out, SPAN("Lambda-Runtime-Function-Error-Type"), type);
    buffer_add(out, SPAN("Lambda-Runtime-Function-Error-Body: "));
    add_base64(out, body);
    buffer_add(out, SPAN("\r\n\r\n"));
}

void api_register_extension(struct connection *connection) {
    ask(connection, "POST ", "/2020-01-01/extension/register",
        SPAN("Lambda-Extension-Name: imagekit\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n"
             "{\"events\":[]}"));
}

void api_ask_extension_next(struct connection *connection, struct span identifier) {
    struct buffer fields = {0};
    add_field(&fields, SPAN("Lambda-Extension-Identifier"), identifier);
    buffer_add(&fields, SPAN("\r\n"));
    ask(connection, "GET ", "/2020-01-01/extension/event/next", buffer_span(&fields));
    buffer_reset(&fields, 0);
}
