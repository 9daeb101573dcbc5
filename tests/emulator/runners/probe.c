/* What a function may try, one try a command; the answer is one line. Errors are the numbers of errno. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1 << 20)

static int say(const char *text, int value) {
  printf("%s%d\n", text, value);
  fflush(stdout);
  return 0;
}

static int opened(const char *path, int flags) {
  int file = open(path, flags, 0644);
  return say("", file < 0 ? errno : 0);
}

static int fill(const char *path, int most) {
  static char block[MIB];
  int file = open(path, O_WRONLY | O_CREAT, 0644), whole = 0;
  while (whole < most && write(file, block, MIB) == MIB) whole++;
  return say("", whole);
}

static int eat(int most) {
  for (int at = 0; at < most; at++) {
    char *piece = mmap(0, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(piece, 1, MIB);
    usleep(500);
  }
  say("ate ", most);
  usleep(300000);
  return 0;
}

static int forks(int most) {
  int made = 0;
  for (; made < most; made++) {
    pid_t child = fork();
    if (child < 0) break;
    if (child == 0) {
      for (;;) pause();
    }
  }
  say("", made);
  for (;;) pause();
}

static int daemons(void) {
  if (fork() == 0) {
    setsid();
    if (fork()) _exit(0);
    say("daemon ", getpid());
    for (;;) pause();
  }
  for (;;) pause();
}

/* Some processes, each the child of one before: by the time a number is read, it is another one. */
static int chains(int width, int apart) {
  say("chains ", getpid());
  for (int at = 0; at < width; at++)
    if (!fork())
      for (;;) {
        if (fork()) _exit(0);
        if (apart) setsid();
      }
  for (;;) pause();
}

/* A bomb of at most so many processes that never rest, each with KiB of its own. */
static int bomb(int most, int kib) {
  _Atomic int *made = mmap(0, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  say("bomb ", getpid());
  while ((*made)++ < most && fork() >= 0)
    ;
  memset(mmap(0, (size_t)kib << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, (size_t)kib << 10);
  for (;;)
    ;
}

static void *sleeping(void *nothing) {
  for (;;) pause();
  return nothing;
}

static int threads(int most) {
  pthread_attr_t small;
  pthread_t one;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 65536);
  for (int made = 0; made < most && !pthread_create(&one, &small, sleeping, 0); made++)
    ;
  sleeping(0);
  return 0;
}

static int count(void) {
  int found = 0;
  DIR *folder = opendir("/proc");
  for (struct dirent *item; (item = readdir(folder));) found += isdigit(item->d_name[0]) != 0;
  return say("", found);
}

static int dial(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int end = socket(AF_INET, SOCK_STREAM, 0);
  return say("", connect(end, (void *)&to, sizeof to) ? errno : 0);
}

static int serve(int port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int end = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  setsockopt(end, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(end, (void *)&at, sizeof at) || listen(end, 1)) return say("error ", errno);
  say("listens ", 0);
  int caller = accept(end, 0, 0);
  return write(caller, "hello", 5) != 5;
}

static int copy(const char *path) {
  char line[65536];
  int file = open(path, O_RDONLY);
  for (ssize_t size; (size = read(file, line, sizeof line)) > 0;) fwrite(line, 1, size, stdout);
  return file < 0;
}

static int files(void) {
  int made = 0;
  while (open("/dev/null", O_RDONLY) >= 0) made++;
  return say("", made + 3);
}

static int installed(char *self, char *path) {
  char command[65536];
  int from = open(self, O_RDONLY), to = open(path, O_WRONLY | O_CREAT, 0755);
  for (ssize_t size; (size = read(from, command, sizeof command)) > 0;)
    if (write(to, command, size) != size) return 1;
  close(to);
  execl(path, path, "id", (char *)0);
  return say("", errno);
}

static int owner(const char *path) {
  struct stat facts;
  if (lstat(path, &facts)) return say("", errno);
  printf("%d:%d %o\n", (int)facts.st_uid, (int)facts.st_gid, facts.st_mode & 07777);
  return 0;
}

static int sleeper(int ignores) {
  signal(SIGTERM, ignores ? SIG_IGN : SIG_DFL);
  say("ready ", getpid());
  for (;;) pause();
}

int main(int argc, char **argv, char **environment) {
  const char *what = argc > 1 ? argv[1] : "";
  char *word = argc > 2 ? argv[2] : "";
  if (!strcmp(what, "write")) return opened(word, O_WRONLY | O_CREAT);
  if (!strcmp(what, "read")) return opened(word, O_RDONLY);
  if (!strcmp(what, "fill")) return fill(word, atoi(argv[3]));
  if (!strcmp(what, "eat")) return eat(atoi(word));
  if (!strcmp(what, "forks")) return forks(atoi(word));
  if (!strcmp(what, "daemon")) return daemons();
  if (!strcmp(what, "chains")) return chains(atoi(word), !strcmp(argv[3], "apart"));
  if (!strcmp(what, "bomb")) return bomb(atoi(word), atoi(argv[3]));
  if (!strcmp(what, "threads")) return threads(atoi(word));
  if (!strcmp(what, "processes")) return count();
  if (!strcmp(what, "connect")) return dial(atoi(word));
  if (!strcmp(what, "serve")) return serve(atoi(word));
  if (!strcmp(what, "cat")) return copy(word);
  if (!strcmp(what, "files")) return files();
  if (!strcmp(what, "install")) return installed(argv[0], word);
  if (!strcmp(what, "owner")) return owner(word);
  if (!strcmp(what, "wait")) return sleeper(0);
  if (!strcmp(what, "ignore")) return sleeper(1);
  if (!strcmp(what, "exit")) return atoi(word);
  if (!strcmp(what, "crash")) raise(SIGSEGV);
  if (!strcmp(what, "exists")) return say("", access(word, F_OK) ? errno : 0);
  if (!strcmp(what, "id")) return printf("%d:%d\n", getuid(), getgid()) < 0;
  if (!strcmp(what, "where")) return puts(getcwd((char[4096]){0}, 4096)) < 0;
  if (!strcmp(what, "environment"))
    for (; *environment; environment++) puts(*environment);
  return 0;
}
