#include "http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http_reset(struct http_request *request)
{
    memset(request, 0, offsetof(struct http_request, head));
}

/* The value of a field, when the line has this name, which is given in lower case with its colon. */
static const char *value_of(const char *line, const char *name)
{
    while (*name != '\0')
        if ((*line++ | 0x20) != (*name++ | 0x20))
            return NULL;
    while (*line == ' ' || *line == '\t')
        line++;
    return line;
}

static bool is(const char *value, const char *word)
{
    return value != NULL && strncasecmp(value, word, strlen(word)) == 0;
}

static void read_field(struct http_request *request, const char *line)
{
    const char *value;
    if ((value = value_of(line, "content-length:")) != NULL)
        request->left = strtoull(value, NULL, 10);
    else if (is(value_of(line, "transfer-encoding:"), "chunked"))
        request->state = HTTP_CHUNK_SIZE;
    else if (is(value_of(line, "connection:"), "close"))
        request->last = true;
    else if (is(value_of(line, "expect:"), "100-continue"))
        request->expects = true;
}

/* METHOD SP path SP HTTP/1.x; where its line ends, NULL when it is none. */
static const char *read_first_line(struct http_request *request)
{
    const char *path = strchr(request->head, ' ');
    const char *version = path == NULL ? NULL : strchr(path + 1, ' ');
    if (version == NULL || strncmp(version, " HTTP/1.", 8) != 0)
        return NULL;
    size_t size = (size_t)(version - path) - 1;
    if (size >= sizeof request->path)
        return NULL;
    memcpy(request->path, path + 1, size);
    request->path[size] = '\0';
    request->post = strncmp(request->head, "POST ", 5) == 0;
    request->last = version[8] == '0';
    return strchr(version, '\n');
}

/* In one go and without the help of scanf: what it takes here is a part of every round trip. */
static void read_head(struct http_request *request)
{
    const char *end = read_first_line(request);
    if (end == NULL) {
        request->state = HTTP_BROKEN;
        return;
    }
    request->state = HTTP_DONE;
    for (; end != NULL && end[1] != '\r'; end = strchr(end + 1, '\n'))
        read_field(request, end + 1);
    if (request->state == HTTP_CHUNK_SIZE)
        request->left = 0;
    else if (request->left > 0)
        request->state = HTTP_BODY;
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
