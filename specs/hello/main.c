/* A function in one file: it takes events from the Runtime API and gives each back as its answer.
 * https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html */
#define _GNU_SOURCE /* strcasestr */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define API "/2018-06-01/runtime/invocation/"
#define LARGEST (7 * 1024 * 1024) /* an event has at most 6 MB, its headers come on top */

static char answer[LARGEST + 1];

static void fail(const char *what) {
    perror(what);
    exit(1); /* Lambda starts the program anew */
}

static int connected(void) {
    char host[256];
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    if (!api || strlen(api) >= sizeof host) fail("AWS_LAMBDA_RUNTIME_API");
    strcpy(host, api);
    char *port = strrchr(host, ':');
    if (port) *port++ = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, port ? port : "80", &hints, &found)) fail("getaddrinfo");
    int channel = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    if (channel < 0 || connect(channel, found->ai_addr, found->ai_addrlen)) fail("connect");
    freeaddrinfo(found);
    return channel;
}

static void send_all(int channel, const char *data, size_t size) {
    while (size) {
        ssize_t sent = send(channel, data, size, MSG_NOSIGNAL);
        if (sent <= 0) fail("send");
        data += sent;
        size -= (size_t)sent;
    }
}

/* One request of HTTP/1.0: the answer ends where the connection does. Returns the answer's body, its size in *got. */
static char *request(const char *method, const char *path, const char *body, size_t size, size_t *got) {
    char head[1024];
    int channel = connected();
    int length = snprintf(head, sizeof head, "%s %s HTTP/1.0\r\nHost: %s\r\nContent-Length: %zu\r\n\r\n", method, path,
                          getenv("AWS_LAMBDA_RUNTIME_API"), size);
    if (length < 0 || (size_t)length >= sizeof head) fail("request");
    send_all(channel, head, (size_t)length);
    send_all(channel, body, size);
    ssize_t read = 0;
    size_t all = 0;
    while (all < LARGEST && (read = recv(channel, answer + all, LARGEST - all, 0)) > 0) all += (size_t)read;
    if (read < 0) fail("recv");
    close(channel);
    answer[all] = '\0';
    char *end = strstr(answer, "\r\n\r\n");
    if (!end || strncmp(answer, "HTTP/1.", 7) || answer[9] != '2') fail("the Runtime API refused");
    end[2] = '\0'; /* now `answer` is the headers as a string */
    *got = all - (size_t)(end + 4 - answer);
    return end + 4;
}

int main(void) {
    static const char name[] = "\r\nLambda-Runtime-Aws-Request-Id:";
    for (;;) {
        size_t size;
        char *event = request("GET", API "next", "", 0, &size), *id = strcasestr(answer, name), path[256];
        if (!id) fail("no request id");
        id += sizeof name - 1;
        id += strspn(id, " ");
        snprintf(path, sizeof path, API "%.*s/response", (int)strcspn(id, "\r"), id);
        char *result = malloc(size);
        if (!result && size) fail("malloc");
        memcpy(result, event, size);
        request("POST", path, result, size, &size);
        free(result);
    }
}
