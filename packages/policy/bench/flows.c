// Sends UDP datagrams and prints nanoseconds for each: `flows ADDRESS COUNT new|same`. With `new` each goes to another port,
// so each is the first packet of a connection; with `same` all are of one. The path through veth and the node's hooks runs
// inside of sendto, on the same processor. Packets are timed in groups, of which the median counts: others that want the
// processor cool its caches, and take packets off its hands, now and then.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

enum { group = 100 };

static int compare(const void *a, const void *b) {
  long long one = *(const long long *)a, other = *(const long long *)b;
  return (one > other) - (one < other);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int fd = socket(AF_INET, SOCK_DGRAM, 0), count = atoi(argv[2]), fresh = strcmp(argv[3], "new") == 0;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1000)};
  if (fd < 0 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return 2;
  for (int i = 0; i < 100; i++) sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
  int groups = count / group;
  long long *times = malloc(groups * sizeof *times);
  if (groups == 0 || times == NULL) return 2;
  for (int i = 0; i < groups; i++) {
    long long start = now();
    for (int j = 0; j < group; j++) {
      if (fresh) to.sin_port = htons(2000 + i * group + j);
      sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
    }
    times[i] = now() - start;
  }
  qsort(times, groups, sizeof *times, compare);
  printf("%f\n", (double)times[groups / 2] / group);
  return 0;
}
