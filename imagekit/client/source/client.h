/* All that the client has: its settings, its workers, the events that it carries. */
#ifndef CLIENT_H
#define CLIENT_H

#include "answer.h"
#include "configuration.h"
#include "connection.h"
#include "frames.h"
#include "process.h"

enum { ID_LIMIT = 256, FIELD_LIMIT = 1024, MOST_EVENTS = 1600 };

/* Where an event is on its way from `next` to the answer to its answer. */
enum phase {
    PHASE_RESTING,    /* no event, and none is asked for */
    PHASE_ASKING,     /* `next` was sent */
    PHASE_RECEIVING,  /* the head of the event is there, its body is coming */
    PHASE_OPEN,       /* the event is complete; it waits for a worker or for the worker's answer */
    PHASE_STREAMING,  /* the answer is sent in pieces */
    PHASE_DISCARDING, /* nobody takes the rest of the streamed answer: it is read and dropped */
    PHASE_REPLYING,   /* the answer is sent; the Runtime API says what it thinks of it */
};

/* One event at a time, with the connection that it comes and goes on. */
struct invocation {
    struct client *client;
    struct connection connection;
    struct answer answer; /* of the Runtime API, as far as it has come */
    enum phase phase;
    char id[ID_LIMIT];
    size_t id_size;
    struct buffer fields; /* worker: the fields of its INVOKE line; per_event: NAME=VALUE, each ended by NUL */
    struct buffer line;   /* the INVOKE line, as far as the worker has not taken it */
    struct buffer event;  /* the body, when it is complete or came in chunks; before, it is in connection.in */
    uint64_t size;        /* of the body */
    uint64_t unfed;       /* how much of the body the worker has not taken */
    size_t ahead;         /* how much of it is read at once */
    bool complete;        /* the body has come */
    bool feeding;         /* it is in the worker's queue */
    bool waiting;         /* it is in the client's queue */
    struct worker *worker;
    struct invocation *next_of_worker;
    struct invocation *following; /* in the one queue that it is in */
    struct buffer head, reply;    /* an answer that waits until the event is complete, or is being collected */
    bool held;                    /* there is such an answer */
    bool last_on_connection;      /* the connection ends after this answer */
    bool told;                    /* the log has it already that something is wrong: one line for one thing */
    int64_t began;                /* clock_steady */
    uint64_t deadline;            /* milliseconds since 1970; 0: none */
    struct timer give_up;
};

enum worker_state {
    WORKER_NONE,     /* no process */
    WORKER_STARTING, /* it has not said READY, or has to say it again after a restore */
    WORKER_READY,
    WORKER_ENDING, /* it was told to end, and what it still says counts for nothing */
};

/* What the body of the worker's present frame is for. */
enum sink { SINK_NONE, SINK_ANSWER, SINK_STREAM, SINK_TEXT };

struct worker {
    struct client *client;
    struct process process;
    enum worker_state state;
    bool dead; /* the process has ended; what it wrote may not all be read */
    int status;
    unsigned capacity;  /* how many events it takes at once */
    unsigned taken;     /* how many it has */
    unsigned abandoned; /* how many of these were given up */
    bool said_ready;    /* since its start */
    bool leaving;       /* it said BYE: no more events, and another worker has its place */
    uint64_t served;
    uint64_t fed;       /* bytes of frames that were written for it */
    bool unheard;       /* it has ended and read none of them */
    struct invocation *events; /* that it has, through next_of_worker */
    struct buffer given_up; /* ids of events that were given up while others went on, each with a space behind it */

    struct source feed;     /* frames to the worker */
    struct buffer due;      /* bytes that it gets before any event of the queue */
    struct invocation *queue, *queue_end;

    struct source frames; /* frames from the worker; its stdout in per_event */
    struct buffer in;
    bool paused; /* a reader of streams is slower than the worker */
    struct frame frame;
    bool in_frame;   /* its line was read, its body not all */
    bool stream_due; /* a stream that begins when the event is complete */
    uint64_t left; /* of the body of the frame; in per_event: how large the answer is by now */
    enum sink sink;
    struct invocation *answered; /* whom the frame is about; NULL: nobody */
    struct buffer text;          /* the body of INITERR and FAIL */
    char field[FIELD_LIMIT];     /* the second field of the frame: a content type or an error's type */
    size_t field_size;
    char dropped[ID_LIMIT]; /* the last id whose answer was dropped */
    size_t dropped_size;

    struct buffer wrong; /* what it did that no worker may do; empty: nothing */
    struct timer patience;
};

enum stage {
    STAGE_STARTING,  /* no event was asked for */
    STAGE_RESTORING, /* SnapStart: waits to be restored, then for READY */
    STAGE_SERVING,
    STAGE_LEAVING, /* ends as soon as what is being reported has arrived */
    STAGE_ENDING,  /* SIGTERM: waits for the workers to end */
};

struct client {
    struct configuration configuration;
    struct span content_type;
    const char *directory;
    int directory_error; /* why it cannot be entered: errno */
    unsigned concurrency; /* how many events Lambda may send at once */
    bool snap_start;
    enum stage stage;
    bool registering; /* the extension is being registered: it is too early to ask for events */
    struct invocation *invocations;
    struct invocation *resting;
    struct invocation *waiting; /* events without a worker */
    unsigned waiting_count, asking;
    struct worker *workers;
    unsigned worker_limit, worker_wanted;
    unsigned worker_slots; /* twice the limit: workers that said BYE have their successors beside them */
    unsigned failed_starts; /* in a row */
    struct timer patience;
};

static inline struct span invocation_id(const struct invocation *invocation) {
    return (struct span){invocation->id, invocation->id_size};
}

#endif
