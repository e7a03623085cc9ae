// Sends UDP datagrams and prints nanoseconds for each: `flows ADDRESS COUNT new|same`. With `new` each goes to another port,
// so each is the first packet of a connection; with `same` all are of one. The path through veth and the node's hooks runs
// inside of sendto, on the same processor.
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

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int fd = socket(AF_INET, SOCK_DGRAM, 0), count = atoi(argv[2]), fresh = strcmp(argv[3], "new") == 0;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1000)};
  if (fd < 0 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return 2;
  for (int i = 0; i < 100; i++) sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
  long long start = now();
  for (int i = 0; i < count; i++) {
    if (fresh) to.sin_port = htons(2000 + i);
    sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
  }
  printf("%f\n", (double)(now() - start) / count);
  return 0;
}
