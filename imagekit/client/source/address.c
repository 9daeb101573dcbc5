#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { NAME_LIMIT = 255 };

static bool set_number(const char *host, uint16_t port, struct address *address) {
    struct sockaddr_in *four = (struct sockaddr_in *)&address->socket;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address->socket;
    *address = (struct address){0};
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        address->size = sizeof *four;
    } else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        address->size = sizeof *six;
    }
    return address->size > 0;
}

/* A line of /etc/hosts: a number, then names. */
static bool line_has(char *line, const char *host) {
    char *kept;
    line[strcspn(line, "#\n")] = '\0';
    if (strtok_r(line, " \t", &kept) == NULL)
        return false;
    for (char *name = strtok_r(NULL, " \t", &kept); name != NULL; name = strtok_r(NULL, " \t", &kept))
        if (span_equal_caseless(span_of(name), span_of(host)))
            return true;
    return false;
}

static bool set_name(const char *host, uint16_t port, struct address *address) {
    char line[1024];
    bool found = false;
    if (span_equal_caseless(span_of(host), SPAN("localhost")))
        return set_number("127.0.0.1", port, address);
    FILE *hosts = fopen("/etc/hosts", "re");
    if (hosts == NULL)
        return false;
    while (!found && fgets(line, sizeof line, hosts) != NULL)
        found = line_has(line, host) && set_number(line, port, address);
    fclose(hosts);
    return found;
}

bool address_parse(const char *text, struct address *address) {
    char host[NAME_LIMIT + 1];
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    struct span name = {text, colon == NULL ? 0 : (size_t)(colon - text)};
    if (name.size > 2 && name.at[0] == '[' && name.at[name.size - 1] == ']')
        name = (struct span){name.at + 1, name.size - 2};
    if (name.size == 0 || name.size > NAME_LIMIT || !span_number(span_of(colon + 1), 65535, &port) || port == 0)
        return false;
    memcpy(host, name.at, name.size);
    host[name.size] = '\0';
    return set_number(host, (uint16_t)port, address) || set_name(host, (uint16_t)port, address);
}
