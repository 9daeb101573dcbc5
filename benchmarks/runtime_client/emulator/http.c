#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http_reset(struct http_request *request)
{
    memset(request, 0, offsetof(struct http_request, head));
}

/* The value of a header, whose name is given with line feed and colon. */
static const char *value_of(const struct http_request *request, const char *name)
{
    const char *found = strcasestr(request->head, name);
    if (found == NULL)
        return NULL;
    found += strlen(name);
    while (*found == ' ' || *found == '\t')
        found++;
    return found;
}

static bool says(const struct http_request *request, const char *name, const char *word)
{
    const char *value = value_of(request, name);
    return value != NULL && strncasecmp(value, word, strlen(word)) == 0;
}

static void read_head(struct http_request *request)
{
    char method[8] = "";
    int minor = 1;
    if (sscanf(request->head, "%7s %511s HTTP/1.%d", method, request->path, &minor) != 3) {
        request->state = HTTP_BROKEN;
        return;
    }
    request->post = strcmp(method, "POST") == 0;
    request->last = minor == 0 || says(request, "\nconnection:", "close");
    request->expects = says(request, "\nexpect:", "100-continue");
    const char *length = value_of(request, "\ncontent-length:");
    if (says(request, "\ntransfer-encoding:", "chunked")) {
        request->state = HTTP_CHUNK_SIZE;
    } else if (length != NULL && (request->left = strtoull(length, NULL, 10)) > 0) {
        request->state = HTTP_BODY;
    } else {
        request->state = HTTP_DONE;
    }
}

static size_t feed_head(struct http_request *request, const char *bytes, size_t size)
{
    size_t room = sizeof request->head - 1 - request->head_size;
    size_t copied = size < room ? size : room;
    memcpy(request->head + request->head_size, bytes, copied);
    size_t before = request->head_size;
    size_t from = before < 3 ? 0 : before - 3;
    const char *end = memmem(request->head + from, before + copied - from, "\r\n\r\n", 4);
    if (end == NULL) {
        request->head_size += copied;
        request->state = copied < size ? HTTP_BROKEN : HTTP_HEAD;
        return copied;
    }
    request->head_size = (size_t)(end - request->head) + 4;
    request->head[request->head_size] = '\0';
    read_head(request);
    return request->head_size - before;
}

static size_t feed_data(struct http_request *request, const char *bytes, size_t size, http_body body, void *owner)
{
    size_t taken = size < request->left ? size : (size_t)request->left;
    request->left -= taken;
    request->body += taken;
    body(owner, bytes, taken);
    if (request->left == 0)
        request->state = request->state == HTTP_BODY ? HTTP_DONE : HTTP_CHUNK_END;
    return taken;
}

static int digit_of(char letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    letter |= 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static void feed_chunk_size(struct http_request *request, char letter)
{
    if (letter == '\n') {
        request->state = request->line == 0 ? HTTP_BROKEN : request->left > 0 ? HTTP_CHUNK_DATA : HTTP_TRAILER;
        request->line = 0;
        request->extension = false;
    } else if (!request->extension && digit_of(letter) >= 0) {
        request->left = request->left * 16 + (uint64_t)digit_of(letter);
        request->line++;
    } else {
        request->extension = true;
    }
}

/* One byte of what stands between the pieces of a chunked body. */
static void feed_between(struct http_request *request, char letter)
{
    if (request->state == HTTP_CHUNK_SIZE) {
        feed_chunk_size(request, letter);
    } else if (request->state == HTTP_CHUNK_END) {
        if (letter == '\n')
            request->state = HTTP_CHUNK_SIZE;
    } else if (letter == '\n') { /* a trailer; an empty line ends them */
        request->state = request->line == 0 ? HTTP_DONE : HTTP_TRAILER;
        request->line = 0;
    } else if (letter != '\r') {
        request->line++;
    }
}

size_t http_feed(struct http_request *request, const char *bytes, size_t size, http_body body, void *owner)
{
    size_t at = 0;
    while (at < size && request->state < HTTP_DONE) {
        if (request->state == HTTP_HEAD) {
            at += feed_head(request, bytes + at, size - at);
            if (request->expects)
                return at; /* who asks for it is told to go on before the body is looked at */
        } else if (request->state == HTTP_BODY || request->state == HTTP_CHUNK_DATA) {
            at += feed_data(request, bytes + at, size - at, body, owner);
        } else {
            feed_between(request, bytes[at++]);
        }
    }
    return at;
}
