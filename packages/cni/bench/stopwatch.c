/*
 * Runs a plugin once per job, as many at a time as asked for, and prints how many microseconds each took: the cost of a
 * plugin without the cost of whoever calls it (a spawn from node alone takes longer than our plugin).
 *
 *   stopwatch <at a time> <stdin file> <program> < "<CNI_CONTAINERID> <CNI_NETNS>" lines
 *
 * Prints a line "<microseconds> <exit code>" per job and, last, the microseconds of all and those of CPU that the plugins used.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_JOBS = 4096 };

static struct job {
	char container[128], netns[512];
	pid_t pid;
	long began, took;
	int code;
} jobs[MOST_JOBS];

static long microseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void start(struct job *job, char **argv)
{
	extern char **environ;
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, argv[2], O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	setenv("CNI_CONTAINERID", job->container, 1);
	setenv("CNI_NETNS", job->netns, 1);
	job->began = microseconds();
	if (posix_spawn(&job->pid, argv[3], &actions, NULL, argv + 3, environ) != 0) exit(3);
	posix_spawn_file_actions_destroy(&actions);
}

int main(int argc, char **argv)
{
	if (argc != 4) return 2;
	int count = 0, started = 0, running = 0, most = atoi(argv[1]);
	while (count < MOST_JOBS && scanf("%127s %511s", jobs[count].container, jobs[count].netns) == 2) count++;
	long began = microseconds();
	while (started < count || running > 0) {
		for (; running < most && started < count; running++) start(&jobs[started++], argv);
		int status;
		pid_t pid = wait(&status);
		long now = microseconds();
		for (int i = 0; i < started; i++) {
			if (jobs[i].pid != pid) continue;
			jobs[i].took = now - jobs[i].began;
			jobs[i].code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
		}
		running--;
	}
	long all = microseconds() - began;
	for (int i = 0; i < count; i++) printf("%ld %d\n", jobs[i].took, jobs[i].code);
	struct rusage used;
	getrusage(RUSAGE_CHILDREN, &used);
	printf("%ld %ld\n", all, (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000L + used.ru_utime.tv_usec + used.ru_stime.tv_usec);
	return 0;
}
