/*
 * weft-cni: the CNI plugin a container runtime runs. It decides nothing: it hands the call to the agent over a unix
 * socket and prints the answer. One file, no libraries, built static: a process start is all it costs.
 *
 * Request   u32 big endian length, then KEY=VALUE entries each ended by NUL, an empty entry, the bytes of stdin.
 *           With ADD, CHECK and DEL two descriptors come along: a NETLINK_ROUTE socket made inside the pod's network
 *           namespace (so the agent needs no right to enter it) and the namespace itself. If they cannot be opened,
 *           entry WEFT_NETNS_ERROR says why, as "<errno> <text>".
 * Reply     u32 big endian length, one byte exit code, the bytes for stdout.
 *
 * Agent away: ADD, CHECK and GC fail with code 11 (try again later), STATUS with 50; DEL is written to the spool
 * (write, fsync, rename, fsync of the folder) and succeeds; the agent replays it.
 *
 * `<this program>.conf`, if there is one, holds lines `socket=<path>` and `spool=<path>`.
 *
 * packages/cni/src/shim-twin.ts does the same in TypeScript; packages/cni/src/shim.kernel.test.ts runs one table of
 * cases against both.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_STDIN = 1 << 20,       /* a configuration with a large prevResult is some 10 KiB */
	MAX_REPLY = 1 << 20,
	CONNECT_MS = 1500,         /* how long ADD waits for an agent that restarts */
	CONNECT_PAUSE_MS = 50,
	REPLY_MS = 30000,          /* longer than the agent's own deadline */
	CODE_ENVIRONMENT = 4, CODE_IO = 5, CODE_DECODE = 6, CODE_TRY_LATER = 11, CODE_UNAVAILABLE = 50,
};

static const char version_reply[] =
	"{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n";

static char socket_path[PATH_MAX] = "/run/weft/cni.sock";
static char spool_path[PATH_MAX] = "/var/lib/weft/cni-spool";

static void print_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) return;
		data += n;
		size -= (size_t)n;
	}
}

/* Prints a CNI error and ends. The text may hold anything: it is escaped, bytes beyond ASCII become '?'. */
static _Noreturn void fail(int code, const char *format, ...)
{
	char text[2048], out[sizeof text * 6 + 128];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	int used = snprintf(out, sizeof out, "{\"cniVersion\":\"1.1.0\",\"code\":%d,\"msg\":\"", code);
	for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++) {
		if (*c == '"' || *c == '\\') used += snprintf(out + used, sizeof out - (size_t)used, "\\%c", *c);
		else if (*c < 0x20) used += snprintf(out + used, sizeof out - (size_t)used, "\\u%04x", *c);
		else out[used++] = (char)(*c < 0x7f ? *c : '?');
	}
	used += snprintf(out + used, sizeof out - (size_t)used, "\"}\n");
	print_all(1, out, (size_t)used);
	exit(1);
}

static long long milliseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void copy_setting(char *target, const char *line, const char *key)
{
	size_t length = strlen(key);
	if (strncmp(line, key, length) != 0) return;
	if (strlen(line + length) >= PATH_MAX) fail(CODE_IO, "Cannot read plugin settings: the path of %s is too long", key);
	strcpy(target, line + length);
}

static void read_settings(void)
{
	char path[PATH_MAX + 8];
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
	if (length <= 0) return;
	strcpy(path + length, ".conf");
	FILE *file = fopen(path, "re");
	if (file == NULL) return;
	char line[PATH_MAX + 16];
	while (fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, "\n")] = 0;
		copy_setting(socket_path, line, "socket=");
		copy_setting(spool_path, line, "spool=");
	}
	fclose(file);
}

/* The request under construction; room for the length comes first. */
static char *frame;
static size_t frame_size, frame_room;

static void append(const void *data, size_t size)
{
	if (frame_size + size > frame_room) {
		frame_room = (frame_size + size) * 2;
		frame = realloc(frame, frame_room);
		if (frame == NULL) fail(CODE_IO, "Cannot read request: out of memory");
	}
	memcpy(frame + frame_size, data, size);
	frame_size += size;
}

static void append_entry(const char *key, const char *value)
{
	append(key, strlen(key));
	append("=", 1);
	append(value, strlen(value) + 1);
}

static void append_stdin(void)
{
	char part[16384];
	size_t total = 0;
	for (;;) {
		ssize_t n = read(0, part, sizeof part);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) fail(CODE_IO, "Cannot read network configuration: %s", strerror(errno));
		if (n == 0) return;
		total += (size_t)n;
		if (total > MAX_STDIN) fail(CODE_DECODE, "Cannot read network configuration: it has more than %d bytes", MAX_STDIN);
		append(part, (size_t)n);
	}
}

/* Opens the pod's namespace and a rtnetlink socket inside it. Returns errno, 0 on success. */
static int open_pod(const char *path, int fds[2])
{
	int error = 0, home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), pod = open(path, O_RDONLY | O_CLOEXEC);
	if (home < 0 || pod < 0 || setns(pod, CLONE_NEWNET) != 0) error = errno;
	else {
		fds[0] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
		if (fds[0] < 0) error = errno;
		if (setns(home, CLONE_NEWNET) != 0) error = errno;
		fds[1] = pod;
	}
	if (home >= 0) close(home);
	return error;
}

/* Waits until the socket is ready or the deadline passes. */
static int ready(int fd, short events, long long deadline)
{
	for (;;) {
		long long left = deadline - milliseconds();
		struct pollfd p = { .fd = fd, .events = events };
		int n = poll(&p, 1, left > 0 ? (int)left : 0);
		if (n < 0 && errno == EINTR) continue;
		return n > 0;
	}
}

/* Connects, trying again until the deadline. Returns -1 if nobody answers. */
static int connect_agent(long long deadline)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(socket_path) >= sizeof address.sun_path) fail(CODE_IO, "Cannot connect to the agent: the path %s is too long", socket_path);
	strcpy(address.sun_path, socket_path);
	for (;;) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
		int error = errno;
		if (fd >= 0) close(fd);
		errno = error;
		if (milliseconds() + CONNECT_PAUSE_MS > deadline) return -1;
		usleep(CONNECT_PAUSE_MS * 1000);
	}
}

static int send_frame(int fd, const int fds[2], long long deadline)
{
	size_t sent = 0;
	while (sent < frame_size) {
		struct iovec part = { frame + sent, frame_size - sent };
		union { struct cmsghdr header; char bytes[CMSG_SPACE(2 * sizeof(int))]; } control;
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
		if (sent == 0 && fds[0] >= 0) {
			memset(&control, 0, sizeof control);
			message.msg_control = &control;
			message.msg_controllen = sizeof control.bytes;
			struct cmsghdr *header = CMSG_FIRSTHDR(&message);
			header->cmsg_level = SOL_SOCKET;
			header->cmsg_type = SCM_RIGHTS;
			header->cmsg_len = CMSG_LEN(2 * sizeof(int));
			memcpy(CMSG_DATA(header), fds, 2 * sizeof(int));
		}
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (n > 0) sent += (size_t)n;
		else if (n < 0 && errno == EAGAIN && ready(fd, POLLOUT, deadline)) continue;
		else if (n < 0 && errno == EINTR) continue;
		else return -1;
	}
	return 0;
}

static int receive(int fd, void *data, size_t size, long long deadline)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = recv(fd, (char *)data + got, size - got, 0);
		if (n > 0) got += (size_t)n;
		else if (n < 0 && errno == EAGAIN && ready(fd, POLLIN, deadline)) continue;
		else if (n < 0 && errno == EINTR) continue;
		else return -1;
	}
	return 0;
}

static uint32_t from_be(const unsigned char *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Does the exchange; on success prints the reply and ends, else returns. */
static void ask_agent(const int fds[2], long long connect_deadline)
{
	int fd = connect_agent(connect_deadline);
	if (fd < 0) return;
	long long deadline = milliseconds() + REPLY_MS;
	unsigned char header[4];
	if (send_frame(fd, fds, deadline) == 0 && receive(fd, header, sizeof header, deadline) == 0) {
		uint32_t length = from_be(header);
		char *reply = length >= 1 && length <= MAX_REPLY ? malloc(length) : NULL;
		if (reply != NULL && receive(fd, reply, length, deadline) == 0) {
			print_all(1, reply + 1, length - 1);
			exit((unsigned char)reply[0]);
		}
	}
	close(fd);
}

/* Leaves the request for the agent's next start. */
static void spool(void)
{
	struct timespec now;
	char from[PATH_MAX + 64], to[PATH_MAX + 64];
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(from, sizeof from, "%s/%010lld%09ld-%d.tmp", spool_path, (long long)now.tv_sec, now.tv_nsec, (int)getpid());
	snprintf(to, sizeof to, "%s/%010lld%09ld-%d.del", spool_path, (long long)now.tv_sec, now.tv_nsec, (int)getpid());
	mkdir(spool_path, 0700);
	int fd = open(from, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) fail(CODE_TRY_LATER, "Cannot spool DEL in \"%s\": %s", spool_path, strerror(errno));
	for (size_t done = 4; done < frame_size;) {
		ssize_t n = write(fd, frame + done, frame_size - done);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) {
			int error = errno;
			unlink(from);
			fail(CODE_TRY_LATER, "Cannot spool DEL in \"%s\": %s", spool_path, strerror(error));
		}
		done += (size_t)n;
	}
	int folder = open(spool_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fsync(fd) != 0 || close(fd) != 0 || rename(from, to) != 0 || folder < 0 || fsync(folder) != 0) {
		int error = errno;
		unlink(from);
		fail(CODE_TRY_LATER, "Cannot spool DEL in \"%s\": %s", spool_path, strerror(error));
	}
	exit(0);
}

int main(void)
{
	static const char *const names[] = { "CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH" };
	const char *command = getenv("CNI_COMMAND");
	if (command == NULL || *command == 0) {
		fputs("Weft CNI plugin; CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n", stderr);
		return 0;
	}
	if (strcmp(command, "VERSION") == 0) {
		print_all(1, version_reply, sizeof version_reply - 1);
		return 0;
	}
	int is_del = strcmp(command, "DEL") == 0, is_status = strcmp(command, "STATUS") == 0, is_gc = strcmp(command, "GC") == 0;
	int with_pod = is_del || strcmp(command, "ADD") == 0 || strcmp(command, "CHECK") == 0;
	if (!with_pod && !is_status && !is_gc) fail(CODE_ENVIRONMENT, "unknown CNI_COMMAND: %s", command);

	long long began = milliseconds();
	read_settings();
	append("\0\0\0\0", 4);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *value = getenv(names[i]);
		if (value != NULL) append_entry(names[i], value);
	}
	int fds[2] = { -1, -1 };
	const char *netns = getenv("CNI_NETNS");
	if (with_pod && netns != NULL && *netns != 0) {
		int error = open_pod(netns, fds);
		if (error != 0) {
			char text[256];
			fds[0] = -1;
			snprintf(text, sizeof text, "%d %s", error, strerror(error));
			append_entry("WEFT_NETNS_ERROR", text);
		}
	}
	append("", 1);
	append_stdin();
	size_t length = frame_size - 4;
	for (int i = 0; i < 4; i++) frame[i] = (char)(length >> (24 - 8 * i));

	/* DEL and STATUS have an answer of their own when the agent is away, so they do not wait for it. */
	ask_agent(fds, is_del || is_status ? began : began + CONNECT_MS);
	if (is_del) spool();
	fail(is_status ? CODE_UNAVAILABLE : CODE_TRY_LATER, "Cannot reach the agent at \"%s\": it does not answer, wanted the weft agent of this node", socket_path);
}
