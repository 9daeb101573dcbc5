#include "extension.h"

#include "log.h"
#include "pool.h"
#include "runtime_api.h"

static struct client *owner;
static struct connection connection;
static struct answer answer;
static enum { REGISTERING, WAITING, OVER } state;

static void over(const char *why) {
    bool registering = state == REGISTERING;
    if (state == OVER)
        return;
    state = OVER;
    connection_close(&connection);
    log_line(LOG_WARN, (struct span){0}, "no graceful shutdown: %s", why);
    if (registering) {
        owner->registering = false;
        pool_balance(owner);
    }
}

/* Its own `next` is asked for, and never answered before the end: extensions that do not ask hold up the initialisation. */
static void registered(void) {
    struct span identifier = http_field(answer.head.fields, SPAN("lambda-extension-identifier"));
    if (answer.head.status != 200 || identifier.size == 0) {
        over("the extension was not registered");
        return;
    }
    state = WAITING;
    struct buffer kept = {0};
    buffer_add(&kept, identifier);
    connection_close(&connection);
    api_ask_extension_next(&connection, buffer_span(&kept));
    buffer_reset(&kept, 0);
    owner->registering = false;
    pool_balance(owner);
}

static void received(struct connection *from) {
    struct span rest = buffer_span(&from->in), piece;
    if (state != REGISTERING) {
        over("the Runtime API answered the extension");
        return;
    }
    switch (answer_next(&answer, &rest, &piece)) {
    case ANSWER_HEAD:
        registered();
        break;
    case ANSWER_MORE:
        break;
    case ANSWER_BODY:
    case ANSWER_END:
    case ANSWER_BAD:
        over("the answer to the extension is not HTTP");
        break;
    }
}

static void ended(struct connection *from) {
    (void)from;
    over("the connection of the extension ended");
}

static void drained(struct connection *from) {
    (void)from;
}

static void unreachable(struct connection *from) {
    (void)from;
    over("the Runtime API does not take connections");
}

void extension_register(struct client *client) {
    owner = client;
    client->registering = true;
    connection = (struct connection){
        .source.fd = -1,
        .received = received,
        .ended = ended,
        .drained = drained,
        .unreachable = unreachable,
    };
    api_register_extension(&connection);
}
