// Sends UDP datagrams and prints nanoseconds for each: `first-packets ADDRESS PORT COUNT new|same|ask`. With `new` and `ask` each
// comes from a socket of its own, so each is the first packet of a connection; with `same` all are of one. For `new` and `same` it is processor time: the path
// through veth and the node's hooks runs inside of send, on the same processor. For `ask` it is the median time until the answer is there.
// `first-packets ADDRESS PORT 0 serve` answers. All of them run on one processor: where the two ends of a question run would else decide its time.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { sockets = 500 };

static long long now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int order(const void *a, const void *b) {
  long long x = *(const long long *)a, y = *(const long long *)b;
  return (x > y) - (x < y);
}

/** The last processor there is for us. */
static int pin(void) {
  cpu_set_t all, one;
  if (sched_getaffinity(0, sizeof all, &all) != 0) return -1;
  int last = CPU_SETSIZE - 1;
  while (last > 0 && !CPU_ISSET(last, &all)) last--;
  CPU_ZERO(&one);
  CPU_SET(last, &one);
  return sched_setaffinity(0, sizeof one, &one);
}

static int serve(struct sockaddr_in own) {
  char byte;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0) return 1;
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    if (recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &length) == 1) sendto(fd, &byte, 1, 0, (struct sockaddr *)&from, length);
  }
}

static int ask(struct sockaddr_in to, int count) {
  long long *times = calloc(count, sizeof *times);
  char byte = 'x';
  for (int i = 0; i < count; i++) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return 1;
    long long start = now(CLOCK_MONOTONIC);
    if (send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1) return 1;
    times[i] = now(CLOCK_MONOTONIC) - start;
    close(fd);
  }
  qsort(times, count, sizeof *times, order);
  printf("%lld\n", times[count / 2]);
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  if (pin() != 0) return 1;
  int count = atoi(argv[3]), fresh = strcmp(argv[4], "new") == 0, port = 10000, fds[sockets];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))}, from = {.sin_family = AF_INET};
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return 2;
  if (strcmp(argv[4], "serve") == 0) return serve(to);
  if (strcmp(argv[4], "ask") == 0) return ask(to, count);
  long long spent = 0;
  for (int done = 0; done < count; done += sockets) {
    int open = fresh ? sockets : 1;
    for (int i = 0; i < open; i++) {
      fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
      from.sin_port = htons(port++);
      if (fds[i] < 0 || bind(fds[i], (struct sockaddr *)&from, sizeof from) != 0) return 1;
      // A route is looked up once for each socket; that is no cost of the node.
      if (connect(fds[i], (struct sockaddr *)&to, sizeof to) != 0) return 1;
    }
    if (!fresh) send(fds[0], "x", 1, 0);
    long long start = now(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < sockets; i++) send(fds[fresh ? i : 0], "x", 1, 0);
    spent += now(CLOCK_THREAD_CPUTIME_ID) - start;
    for (int i = 0; i < open; i++) close(fds[i]);
  }
  printf("%f\n", (double)spent / (count / sockets * sockets));
  return 0;
}
