/* The client and all that it starts: their life, CPU time and memory. */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <stdint.h>
#include <sys/types.h>

struct memory {
    long rss; /* KiB */
    long pss;
};

/* Makes this process the one that orphans are given to, so that none is left out. Once, at the beginning. */
void processes_adopt(void);

/* Starts a program in the environment of this process; its stdout is this process's stderr. */
pid_t processes_start(char *const argv[]);

/* Nanoseconds of CPU that the process and all below it, that live, have used. */
uint64_t processes_cpu(pid_t root);

struct memory processes_memory(pid_t root);
struct memory process_memory(pid_t pid);

/* KiB that the process itself had in RAM when it had most. */
long process_peak(pid_t pid);

/* Kills all that was started; nanoseconds of CPU that it used. */
uint64_t processes_end(void);

uint64_t now(void);

#endif
