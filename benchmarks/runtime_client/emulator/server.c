#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 1024
#define PIECE (256 * 1024)

static struct connection *connections[MOST]; /* by descriptor */
static const struct service *service;
static int poller, listener;
static bool stopped;
static char piece[PIECE];

static void watch(int fd, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(poller, operation, fd, &event) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

int server_listen(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 128) < 0)
        fail("listen: %s", strerror(errno));
    getsockname(listener, (struct sockaddr *)&address, &size);
    poller = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, EPOLLIN, EPOLL_CTL_ADD);
    return ntohs(address.sin_port);
}

static void end(struct connection *connection)
{
    connections[connection->fd] = NULL;
    close(connection->fd);
    free(connection);
}

void server_clear(void)
{
    for (int fd = 0; fd < MOST; fd++)
        if (connections[fd] != NULL)
            end(connections[fd]);
}

static void welcome(void)
{
    int yes = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MOST)
            fail("more than %d connections", MOST);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        connections[fd] = calloc(1, sizeof *connections[fd]);
        connections[fd]->fd = fd;
        watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static bool write_some(struct connection *connection)
{
    struct iovec parts[2] = {
        {connection->head + connection->head_size - connection->head_left, connection->head_left},
        {(char *)connection->body, connection->body_left},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = connection->body_left > 0 ? 2 : 1};
    ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN;
    size_t of_head = (size_t)sent < connection->head_left ? (size_t)sent : connection->head_left;
    connection->head_left -= of_head;
    connection->body += (size_t)sent - of_head;
    connection->body_left -= (size_t)sent - of_head;
    return true;
}

/* Writes what it can of an answer; whoever closed instead of reading it is seen at the next read. */
static void flush(struct connection *connection, bool again)
{
    bool fine = write_some(connection);
    bool left = connection->head_left + connection->body_left > 0;
    if (fine && left && !again)
        watch(connection->fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    if (again && (!fine || !left))
        watch(connection->fd, EPOLLIN, EPOLL_CTL_MOD);
    if (!fine)
        connection->head_left = connection->body_left = 0;
    else if (!left && connection->closing)
        shutdown(connection->fd, SHUT_WR);
}

void server_answer(struct connection *connection, const char *status, const char *headers, const char *body,
                   size_t size)
{
    if (connection->head_left + connection->body_left > 0)
        fail("a request came before the answer to the one before it was read");
    int length = snprintf(connection->head, sizeof connection->head,
                          "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status, headers, size);
    connection->head_size = connection->head_left = (size_t)length;
    connection->body = body;
    connection->body_left = size;
    connection->closing = connection->request.last;
    flush(connection, false);
}

static void pass_on(void *owner, const char *bytes, size_t size)
{
    service->body(owner, bytes, size);
}

static void go_on(struct connection *connection)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    connection->request.expects = false;
    if (connection->request.state != HTTP_DONE && send(connection->fd, line, sizeof line - 1, MSG_NOSIGNAL) < 0)
        fail("100 Continue: %s", strerror(errno));
}

static void take(struct connection *connection, const char *bytes, size_t size)
{
    struct http_request *request = &connection->request;
    while (size > 0 && !stopped) {
        size_t taken = http_feed(request, bytes, size, pass_on, connection);
        bytes += taken;
        size -= taken;
        if (request->expects)
            go_on(connection);
        if (request->state == HTTP_BROKEN)
            fail("this is not HTTP: %.200s", request->head);
        if (request->state == HTTP_DONE) {
            service->request(connection);
            http_reset(request);
            connection->mark = 0;
        }
    }
}

static void serve(struct connection *connection, uint32_t events)
{
    if (events & EPOLLOUT)
        flush(connection, true);
    if ((events & ~(uint32_t)EPOLLOUT) == 0)
        return;
    ssize_t size = recv(connection->fd, piece, PIECE, 0);
    if (size > 0)
        take(connection, piece, (size_t)size);
    else if (size == 0 || errno != EAGAIN)
        end(connection);
}

void server_run(const struct service *given, int pidfd, int patience)
{
    service = given;
    stopped = false;
    watch(pidfd, EPOLLIN, EPOLL_CTL_ADD);
    while (!stopped) {
        struct epoll_event event;
        int count = epoll_wait(poller, &event, 1, patience);
        if (count == 0)
            fail("nothing came for %d ms", patience);
        if (count < 0)
            continue;
        if (event.data.fd == listener)
            welcome();
        else if (event.data.fd == pidfd)
            service->ended();
        else if (connections[event.data.fd] != NULL)
            serve(connections[event.data.fd], event.events);
    }
}

void server_stop(void)
{
    stopped = true;
}
