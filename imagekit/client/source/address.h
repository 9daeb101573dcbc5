/* AWS_LAMBDA_RUNTIME_API: where the Runtime API listens. Pure but for /etc/hosts. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include "span.h"

#include <sys/socket.h>

struct address {
    struct sockaddr_storage socket;
    socklen_t size;
};

/* Reads `host:port`. The host is a number (`127.0.0.1`, `[::1]`), `localhost` or a name in /etc/hosts; there is no DNS: Lambda
   says a number. */
bool address_parse(const char *text, struct address *address);

#endif
