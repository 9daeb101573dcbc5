#include "processes.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 256

uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void processes_adopt(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

pid_t processes_start(char *const argv[])
{
    pid_t pid = vfork();
    if (pid == 0) {
        dup2(2, 1);
        execvp(argv[0], argv);
        _exit(127);
    }
    return pid;
}

/* Adds the children of a process, and theirs, to the list. */
static size_t below(pid_t pid, pid_t *list, size_t count)
{
    char path[64], line[4096] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return count;
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    fclose(file);
    for (char *rest = NULL, *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (count == MOST)
            break;
        list[count++] = atoi(word);
        count = below(list[count - 1], list, count);
    }
    return count;
}

static size_t tree(pid_t root, pid_t list[MOST])
{
    list[0] = root;
    return below(root, list, 1);
}

uint64_t processes_cpu(pid_t root)
{
    pid_t list[MOST];
    uint64_t sum = 0;
    for (size_t count = tree(root, list); count > 0; count--) {
        clockid_t clock;
        struct timespec time;
        if (clock_getcpuclockid(list[count - 1], &clock) == 0 && clock_gettime(clock, &time) == 0)
            sum += (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
    }
    return sum;
}

static long field(const char *path, const char *name)
{
    char line[256];
    long found = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (found == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            found = atol(line + strlen(name));
    fclose(file);
    return found;
}

/* smaps_rollup is exact; the counters in status lag behind on several CPUs. */
struct memory process_memory(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    return (struct memory){.rss = field(path, "Rss:"), .pss = field(path, "Pss:")};
}

struct memory processes_memory(pid_t root)
{
    pid_t list[MOST];
    struct memory sum = {0, 0};
    for (size_t count = tree(root, list); count > 0; count--) {
        struct memory one = process_memory(list[count - 1]);
        sum.rss += one.rss;
        sum.pss += one.pss;
    }
    return sum;
}

long process_peak(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    return field(path, "VmHWM:");
}

static uint64_t nanoseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

static void kill_all_below(void)
{
    pid_t list[MOST];
    for (size_t count = tree(getpid(), list); count > 1; count--)
        kill(list[count - 1], SIGKILL);
}

uint64_t processes_end(void)
{
    uint64_t sum = 0;
    struct rusage usage;
    for (;;) {
        kill_all_below(); /* again: what a process had started meanwhile is ours once that one is gone */
        if (wait4(-1, NULL, 0, &usage) < 0)
            return sum;
        sum += nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
    }
}
