#include "listen.h"

#include "meaning.h"
#include "streaming.h"
#include "worker.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    READ_SIZE = 64 << 10,
    LEAST_READ = 4 << 10,
    DIRECT = 16 << 10, /* from here on a body is read to where it belongs */
    LAST_READS = 64,
};

enum reading { READ_SOME, READ_NOTHING, READ_END };

/* A large answer goes where it is collected, not through `in`. */
static struct buffer *place(struct worker *worker, size_t *wanted) {
    *wanted = READ_SIZE;
    if (worker->sink != SINK_ANSWER || worker->left < DIRECT || buffer_size(&worker->in) > 0)
        return &worker->in;
    *wanted = (size_t)worker->left;
    return &worker->answered->reply;
}

static enum reading read_some(struct worker *worker) {
    size_t wanted;
    struct buffer *to = place(worker, &wanted);
    char *at = buffer_room(to, to == &worker->in && buffer_spare(to) >= LEAST_READ ? 1 : wanted);
    if (to == &worker->in)
        wanted = buffer_spare(to);
    ssize_t got = read(worker->frames.fd, at, wanted);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return READ_NOTHING;
    if (got < 0 && errno == ECONNRESET && worker->capacity <= 1 && worker->served == 0)
        worker->unheard = true; /* a socket that was closed with something unread in it (unix(7)) */
    if (got <= 0)
        return READ_END;
    to->end += (size_t)got;
    if (to != &worker->in)
        worker->left -= (uint64_t)got;
    return READ_SOME;
}

/* False when the line is not complete, or none. */
static bool take_line(struct worker *worker) {
    struct span in = buffer_span(&worker->in);
    struct span line = in;
    line = span_cut(&in, '\n');
    if (line.size == buffer_size(&worker->in) && line.size < FRAME_LINE_LIMIT)
        return false;
    if (line.size == buffer_size(&worker->in) || !frame_parse(line, &worker->frame)) {
        worker_protocol_error(worker, "the worker wrote what is no frame", line);
        return false;
    }
    meaning_begin(worker);
    buffer_use(&worker->in, line.size + 1);
    return true;
}

static void keep_text(struct worker *worker, struct span piece) {
    if (buffer_size(&worker->text) < ERROR_LIMIT)
        buffer_add(&worker->text, span_first(piece, ERROR_LIMIT - buffer_size(&worker->text)));
}

/* False when there is nothing of it yet. */
static bool take_body(struct worker *worker) {
    struct span piece = span_first(buffer_span(&worker->in), (size_t)worker->left), whole = {0};
    if (worker->left > 0 && piece.size == 0)
        return false;
    worker->left -= piece.size;
    if (worker->sink == SINK_ANSWER && worker->left == 0 && buffer_size(&worker->answered->reply) == 0)
        whole = piece;
    else if (worker->sink == SINK_ANSWER)
        buffer_add(&worker->answered->reply, piece);
    else if (worker->sink == SINK_TEXT)
        keep_text(worker, piece);
    else if (worker->sink == SINK_STREAM && streaming_piece(worker->answered, piece))
        worker_pause(worker);
    if (worker->left == 0)
        meaning_finish(worker, whole);
    buffer_use(&worker->in, piece.size);
    return true;
}

static bool is_wrong(const struct worker *worker) {
    return buffer_size(&worker->wrong) > 0;
}

static void take_all(struct worker *worker) {
    while (!worker->paused && !is_wrong(worker) && (worker->in_frame ? take_body(worker) : take_line(worker)))
        ;
}

/* False when there is no more for now. */
static bool read_and_take(struct worker *worker) {
    switch (read_some(worker)) {
    case READ_SOME:
        take_all(worker);
        return true;
    case READ_END:
        loop_close(&worker->frames);
        worker_channel_closed(worker);
        return false;
    case READ_NOTHING:
        break;
    }
    return false;
}

void listen_ready(struct source *source, uint32_t events) {
    (void)events;
    read_and_take(CONTAINER(source, struct worker, frames));
}

/* What it started may have the channel too, and write for ever. */
void listen_to_the_end(struct worker *worker) {
    for (int i = 0; i < LAST_READS && !worker->paused && worker->frames.fd >= 0 && read_and_take(worker); i++)
        ;
    if (!worker->paused)
        worker_bury(worker);
}

void listen_go_on(struct worker *worker) {
    if (worker->stream_due && !worker->answered->complete)
        return;
    worker->paused = false;
    loop_watch(&worker->frames, EPOLLIN);
    if (worker->stream_due)
        meaning_begin_stream(worker);
    take_all(worker);
    if (worker->dead)
        listen_to_the_end(worker);
}
