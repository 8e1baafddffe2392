// measure FD COMMAND [ARGUMENT …]: runs a command and writes to FD what it took, as one line of JSON: wall and processor time
// in microseconds, the largest resident set of any of its processes in KiB, and how it ended. Node cannot ask this of a child
// (getrusage of children is not exposed), and started from Node a child would count Node's own pages as its peak.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static long long of(struct timeval time) { return time.tv_sec * 1000000LL + time.tv_usec; }

int main(int count, char **words) {
  if (count < 3) return 2;
  int out = atoi(words[1]);
  fcntl(out, F_SETFD, FD_CLOEXEC);
  long long began = microseconds();
  pid_t child = fork();
  if (child < 0) return 2;
  if (child == 0) {
    execvp(words[2], words + 2);
    perror(words[2]);
    _exit(127);
  }
  int status;
  struct rusage used;
  if (wait4(child, &status, 0, &used) < 0) return 2;
  long long wall = microseconds() - began;
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  // Of those that the command started and waited for as well.
  dprintf(out, "{\"wallUs\":%lld,\"cpuUs\":%lld,\"rssKiB\":%ld,\"code\":%d}\n", wall,
          of(used.ru_utime) + of(used.ru_stime), used.ru_maxrss, code);
  return 0;
}
