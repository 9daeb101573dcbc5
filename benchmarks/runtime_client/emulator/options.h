/* What the command line says. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stddef.h>
#include <stdint.h>

struct options {
    unsigned events;   /* that are measured */
    unsigned warm;     /* before them; their answers are compared byte by byte */
    size_t size;       /* bytes of an event */
    uint64_t stream;   /* bytes of an answer that is no echo; 0 for echoes */
    double seconds;    /* after which no further event is given out */
    unsigned starts;   /* only start the client, so many times */
    unsigned settle;   /* milliseconds between the last event and the look at the memory */
    unsigned patience; /* milliseconds */
    char **command;
};

struct options options_read(int argc, char **argv);

#endif
