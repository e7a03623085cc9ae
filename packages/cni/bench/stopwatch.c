/*
 * Runs a program with stdin from a file and stdout to nowhere, and prints how many microseconds it took: the cost of a
 * plugin without the cost of whoever calls it (a spawn from node alone takes longer than our plugin).
 *
 *   stopwatch <stdin file> <program>
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv, char **environment)
{
	if (argc != 3) return 2;
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, argv[1], O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	struct timespec before, after;
	pid_t pid;
	int status;
	clock_gettime(CLOCK_MONOTONIC, &before);
	if (posix_spawn(&pid, argv[2], &actions, NULL, argv + 2, environment) != 0 || waitpid(pid, &status, 0) != pid) return 3;
	clock_gettime(CLOCK_MONOTONIC, &after);
	printf("%ld\n", (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 4;
}
