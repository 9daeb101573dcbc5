#include "options.h"

#include <getopt.h>
#include <stdlib.h>

#include "server.h"

static const struct option NAMES[] = {
    {"events", required_argument, NULL, 'e'},   {"warm", required_argument, NULL, 'w'},
    {"size", required_argument, NULL, 's'},     {"stream", required_argument, NULL, 'b'},
    {"seconds", required_argument, NULL, 't'},  {"starts", required_argument, NULL, 'n'},
    {"patience", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0},
};

struct options options_read(int argc, char **argv)
{
    struct options options = {.size = 1024, .seconds = 1e9, .settle = 100, .patience = 20000};
    for (int letter; (letter = getopt_long(argc, argv, "+", NAMES, NULL)) != -1;) {
        switch (letter) {
        case 'e': options.events = (unsigned)atoi(optarg); break;
        case 'w': options.warm = (unsigned)atoi(optarg); break;
        case 's': options.size = (size_t)atol(optarg); break;
        case 'b': options.stream = strtoull(optarg, NULL, 10); break;
        case 't': options.seconds = atof(optarg); break;
        case 'n': options.starts = (unsigned)atoi(optarg); break;
        case 'p': options.patience = (unsigned)atoi(optarg); break;
        default: exit(2);
        }
    }
    options.command = argv + optind;
    if (optind == argc || options.size < 128 || options.events + options.starts == 0)
        fail("usage: emulator {--events N | --starts N} [--size BYTES] [--stream BYTES] -- COMMAND …");
    return options;
}
