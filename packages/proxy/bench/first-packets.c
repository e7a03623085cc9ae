// Sends UDP datagrams and prints nanoseconds of processor time for each: `first-packets ADDRESS PORT COUNT new|same`. With `new` each
// comes from a socket of its own, so each is the first packet of a connection; with `same` all are of one. The path through veth and the node's
// hooks runs inside of sendto, on the same processor.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { sockets = 500 };

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int count = atoi(argv[3]), fresh = strcmp(argv[4], "new") == 0, port = 10000, fds[sockets];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))}, from = {.sin_family = AF_INET};
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return 2;
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
    long long start = now();
    for (int i = 0; i < sockets; i++) send(fds[fresh ? i : 0], "x", 1, 0);
    spent += now() - start;
    for (int i = 0; i < open; i++) close(fds[i]);
  }
  printf("%f\n", (double)spent / (count / sockets * sockets));
  return 0;
}
