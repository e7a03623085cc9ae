/*
 * weft-cni: the CNI plugin a container runtime runs. It decides nothing: it hands the call to the agent over a unix
 * socket and prints the answer.
 *
 * One file and no C library: what a static glibc does before main (asking the processor for its features traps into
 * the hypervisor of a virtual machine, some forty times) takes six times as long as everything below. So there is no
 * heap, no stdio and no errno here; memory is two static buffers, a system call returns -errno.
 *
 * Request   u32 big endian length, then KEY=VALUE entries each ended by NUL, an empty entry, the bytes of stdin.
 *           With ADD, CHECK and DEL two descriptors come along: a NETLINK_ROUTE socket made inside the pod's network
 *           namespace (so the agent needs no right to enter it) and the namespace itself. If they cannot be opened,
 *           entry WEFT_NETNS_ERROR says why, as "<errno> <text>".
 * Reply     u32 big endian length, one byte exit code, the bytes for stdout.
 *
 * Agent away: ADD, CHECK and GC fail with code 11 (try again later), STATUS with 50, after a wait in case it restarts; DEL
 * is written to the spool (write, fsync, rename, fsync of the folder) and succeeds; the agent replays it.
 *
 * An agent that cannot serve says why in `<socket>.reason`, one line of text: then that is what ADD, CHECK, GC and STATUS tell.
 *
 * `<this program>.conf`, if there is one, holds lines `socket=<path>` and `spool=<path>`.
 *
 * src/shim-twin.ts does the same in TypeScript; src/shim.kernel.test.ts and src/shim-patience.kernel.test.ts run one table
 * of cases against both. shim/fuzz.c runs what reads foreign bytes (-DWEFT_CNI_FUZZ).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <asm/unistd.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

enum {
	MAX_STDIN = 1 << 20,       /* a configuration with a large prevResult is some 10 KiB */
#ifdef WEFT_CNI_FUZZ               /* within reach of small inputs */
	MAX_ENVIRONMENT = 1 << 12,
	MAX_REPLY = 1 << 10,
#else
	MAX_ENVIRONMENT = 1 << 18,
	MAX_REPLY = 1 << 20,
#endif
	MAX_PATH = sizeof((struct sockaddr_un *)0)->sun_path, /* of the socket; the spool's may be as long */
	CONNECT_MS = 1500,         /* how long ADD waits for an agent that restarts */
	STATUS_MS = 15000,         /* how long STATUS does: kubelet takes 30 s without an answer for a dead runtime */
	CONNECT_PAUSE_MS = 50,
	REPLY_MS = 30000,          /* longer than the agent's own deadline */
	CODE_ENVIRONMENT = 4, CODE_IO = 5, CODE_DECODE = 6, CODE_TRY_LATER = 11, CODE_UNAVAILABLE = 50,
};

static const char version_reply[] =
	"{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n";
static const char about[] = "Weft CNI plugin; CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n";

/* ---- the kernel ---- */

/* x86-64 and arm64 pass six arguments in registers and return -errno. */
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
#else
#error "wanted x86-64 or arm64"
#endif
}

#define CALL(number, a, b, c, d) call6(number, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static long sys_open(const char *path, int flags, int mode) { return CALL(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode); }
static long sys_close(int fd) { return CALL(__NR_close, fd, 0, 0, 0); }
static long sys_fsync(int fd) { return CALL(__NR_fsync, fd, 0, 0, 0); }
static long sys_setns(int fd) { return CALL(__NR_setns, fd, CLONE_NEWNET, 0, 0); }
static long sys_socket(int family, int type, int protocol) { return CALL(__NR_socket, family, type | SOCK_CLOEXEC, protocol, 0); }

/* A signal that somebody catches for us is no reason to stop. */
static long sys_read(int fd, void *into, size_t size)
{
	long n;
	do n = CALL(__NR_read, fd, into, size, 0);
	while (n == -EINTR);
	return n;
}

static long sys_write(int fd, const void *from, size_t size)
{
	long n;
	do n = CALL(__NR_write, fd, from, size, 0);
	while (n == -EINTR);
	return n;
}

static struct timespec now(int clock)
{
	struct timespec t = { 0, 0 };
	CALL(__NR_clock_gettime, clock, &t, 0, 0);
	return t;
}

static long long milliseconds(void)
{
	struct timespec t = now(CLOCK_MONOTONIC);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

#ifdef WEFT_CNI_FUZZ
_Noreturn void leave(int code);
#else
static _Noreturn void leave(int code)
{
	for (;;) CALL(__NR_exit_group, code, 0, 0, 0);
}

/* What the compiler takes for granted even where there is no library. */
__attribute__((used)) void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	for (size_t i = 0; i < size; i++) ((char *)to)[i] = ((const char *)from)[i];
	return to;
}

__attribute__((used)) void *memset(void *to, int byte, size_t size)
{
	for (size_t i = 0; i < size; i++) ((char *)to)[i] = (char)byte;
	return to;
}

uintptr_t __stack_chk_guard;
__attribute__((used)) _Noreturn void __stack_chk_fail(void)
{
	leave(127);
}
#endif

/* ---- text ---- */

static size_t length_of(const char *text)
{
	size_t n = 0;
	while (text[n] != 0) n++;
	return n;
}

/* What follows a prefix, or NULL. */
static const char *after(const char *text, const char *prefix)
{
	for (; *prefix != 0; text++, prefix++)
		if (*text != *prefix) return NULL;
	return text;
}

static int equal(const char *a, const char *b)
{
	const char *rest = after(a, b);
	return rest != NULL && *rest == 0;
}

/* A text that grows in a buffer of fixed size; what does not fit is cut off. Always ended by NUL. */
struct text {
	char *bytes;
	size_t size, room;
};

static void put(struct text *text, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size && text->size + 1 < text->room; i++) text->bytes[text->size++] = bytes[i];
	text->bytes[text->size] = 0;
}

static void put_text(struct text *text, const char *more)
{
	put(text, more, length_of(more));
}

/* With leading zeros up to a width. */
static void put_number(struct text *text, unsigned long long number, int width)
{
	char digits[20];
	int at = sizeof digits;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0 || (int)sizeof digits - at < width);
	put(text, digits + at, sizeof digits - (size_t)at);
}

/* Of errno values that a system call here can end with; one string, so that nothing is to be relocated. */
static const char error_texts[] =
	"1 Operation not permitted\0" "2 No such file or directory\0" "5 Input/output error\0" "9 Bad file descriptor\0" "12 Cannot allocate memory\0"
	"13 Permission denied\0" "17 File exists\0" "20 Not a directory\0" "21 Is a directory\0" "22 Invalid argument\0" "23 Too many open files in system\0"
	"24 Too many open files\0" "28 No space left on device\0" "30 Read-only file system\0" "36 File name too long\0" "40 Too many levels of symbolic links\0"
	"122 Disk quota exceeded\0";

/* `<errno> <text>`. */
static void put_error(struct text *text, long error)
{
	char bytes[8];
	struct text number = { bytes, 0, sizeof bytes };
	put_number(&number, (unsigned long long)error, 0);
	for (const char *entry = error_texts; *entry != 0; entry += length_of(entry) + 1) {
		const char *rest = after(entry, bytes);
		if (rest != NULL && *rest == ' ') return put_text(text, entry);
	}
	put_text(text, bytes);
	put_text(text, " unknown error");
}

static void print_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		long n = sys_write(fd, data, size);
		if (n <= 0) return;
		data += n;
		size -= (size_t)n;
	}
}

/* Prints a CNI error and ends. The text may hold anything: it is escaped, bytes beyond ASCII become '?'. */
static _Noreturn void fail(int code, const char *what, const char *name, const char *why)
{
	char bytes[2048], out[sizeof bytes * 6 + 128];
	static const char hex[] = "0123456789abcdef";
	struct text message = { bytes, 0, sizeof bytes }, json = { out, 0, sizeof out };
	put_text(&message, what);
	put_text(&message, name);
	put_text(&message, why);
	put_text(&json, "{\"cniVersion\":\"1.1.0\",\"code\":");
	put_number(&json, (unsigned long long)code, 0);
	put_text(&json, ",\"msg\":\"");
	for (size_t i = 0; i < message.size; i++) {
		unsigned char c = (unsigned char)bytes[i];
		char escaped[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
		if (c < 0x20) put(&json, escaped, sizeof escaped);
		else if (c >= 0x7f) put(&json, "?", 1);
		else {
			if (c == '"' || c == '\\') put(&json, "\\", 1);
			put(&json, (const char *)&c, 1);
		}
	}
	put_text(&json, "\"}\n");
	print_all(1, out, json.size);
	leave(1);
}

static _Noreturn void fail_errno(int code, const char *what, const char *name, long error)
{
	char bytes[160];
	struct text why = { bytes, 0, sizeof bytes };
	put_text(&why, name[0] == 0 ? "" : "\": ");
	put_error(&why, error);
	fail(code, what, name, bytes);
}

/* ---- settings ---- */

static char socket_path[MAX_PATH] = "/run/weft/cni.sock";
static char spool_path[PATH_MAX] = "/var/lib/cni/weft/cni-spool";

static void take_setting(char *target, size_t room, const char *value, const char *key)
{
	if (value == NULL) return;
	if (length_of(value) >= room) fail(CODE_IO, "Cannot read plugin settings: the path of ", key, " is too long");
	struct text text = { target, 0, room };
	put_text(&text, value);
}

/* Lines of the settings file, ended by NUL; the lines are cut apart in place. */
static void parse_settings(char *file)
{
	for (char *line = file; *line != 0;) {
		char *end = line;
		while (*end != 0 && *end != '\n') end++;
		char *next = *end == 0 ? end : end + 1;
		*end = 0;
		take_setting(socket_path, sizeof socket_path, after(line, "socket="), "socket=");
		take_setting(spool_path, sizeof spool_path, after(line, "spool="), "spool=");
		line = next;
	}
}

static void read_settings(void)
{
	char path[PATH_MAX + 8], file[2 * PATH_MAX + 64];
	long length = CALL(__NR_readlinkat, AT_FDCWD, "/proc/self/exe", path, PATH_MAX);
	if (length <= 0) return;
	struct text text = { path, (size_t)length, sizeof path };
	put_text(&text, ".conf");
	long fd = sys_open(path, O_RDONLY, 0);
	if (fd < 0) return;
	size_t size = 0;
	for (long n = 1; n > 0 && size < sizeof file - 1;) {
		n = sys_read((int)fd, file + size, sizeof file - 1 - size);
		if (n > 0) size += (size_t)n;
	}
	sys_close((int)fd);
	file[size] = 0;
	parse_settings(file);
}

/* ---- the request ---- */

/* Room for its length comes first. */
static char frame[4 + MAX_ENVIRONMENT + MAX_STDIN];
static size_t frame_size;

static void append_entry(const char *key, const char *value)
{
	size_t key_size = length_of(key), value_size = length_of(value) + 1;
	if (frame_size + key_size + 1 + value_size > MAX_ENVIRONMENT) fail(CODE_ENVIRONMENT, "Cannot pass environment on: ", key, " is too long");
	memcpy(frame + frame_size, key, key_size);
	frame[frame_size + key_size] = '=';
	memcpy(frame + frame_size + key_size + 1, value, value_size);
	frame_size += key_size + 1 + value_size;
}

static void append_stdin(void)
{
	for (size_t total = 0;;) {
		/* One byte more than allowed, to see that there are too many. */
		size_t room = MAX_STDIN + 1 - total, left = sizeof frame - frame_size;
		long n = sys_read(0, frame + frame_size, room < left ? room : left);
		if (n < 0) fail_errno(CODE_IO, "Cannot read network configuration: ", "", -n);
		if (n == 0) return;
		total += (size_t)n;
		frame_size += (size_t)n;
		if (total > MAX_STDIN || frame_size == sizeof frame) fail(CODE_DECODE, "Cannot read network configuration: it has more than 1048576 bytes", "", "");
	}
}

/* Opens the pod's namespace and a rtnetlink socket inside it. Returns errno, 0 on success. */
static long open_pod(const char *path, int fds[2])
{
	long home = sys_open("/proc/self/ns/net", O_RDONLY, 0), pod = sys_open(path, O_RDONLY, 0);
	long error = home < 0 ? -home : pod < 0 ? -pod : -sys_setns((int)pod);
	if (error == 0) {
		long socket = sys_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
		long back = sys_setns((int)home);
		error = socket < 0 ? -socket : -back;
		fds[0] = (int)socket;
		fds[1] = (int)pod;
	}
	if (home >= 0) sys_close((int)home);
	return error;
}

/* ---- the exchange ---- */

/* Waits until the socket is ready or the deadline passes. */
static int ready(int fd, short events, long long deadline)
{
	for (;;) {
		long long left = deadline - milliseconds();
		if (left < 0) left = 0;
		struct pollfd p = { .fd = fd, .events = events };
		struct timespec wait = { .tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000 };
		long n = CALL(__NR_ppoll, &p, 1, &wait, NULL);
		if (n == -EINTR) continue;
		return n > 0;
	}
}

/*
 * Whether an agent has run since the machine started: its folder is below /run. Before the first one STATUS must not wait,
 * for kubelet starts no pod, and so no agent, until it has the first answer.
 */
static int agent_was_here(void)
{
	size_t end = length_of(socket_path);
	while (end > 0 && socket_path[end] != '/') end--;
	if (end == 0) return 1;
	socket_path[end] = 0;
	long error = CALL(__NR_faccessat, AT_FDCWD, socket_path, 0, 0);
	socket_path[end] = '/';
	return error == 0;
}

/* Connects, trying again until the deadline. Returns -1 if nobody answers. */
static int connect_agent(long long deadline)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, socket_path, length_of(socket_path) + 1);
	for (;;) {
		long fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (fd >= 0) {
			if (CALL(__NR_connect, fd, &address, sizeof address, 0) == 0) return (int)fd;
			sys_close((int)fd);
		}
		if (milliseconds() + CONNECT_PAUSE_MS > deadline) return -1;
		struct timespec pause = { 0, CONNECT_PAUSE_MS * 1000000L };
		CALL(__NR_nanosleep, &pause, NULL, 0, 0);
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
		long n = CALL(__NR_sendmsg, fd, &message, MSG_NOSIGNAL, 0);
		if (n > 0) sent += (size_t)n;
		else if (n == -EINTR || (n == -EAGAIN && ready(fd, POLLOUT, deadline))) continue;
		else return -1;
	}
	return 0;
}

static int receive(int fd, char *data, size_t size, long long deadline)
{
	for (size_t got = 0; got < size;) {
		long n = sys_read(fd, data + got, size - got);
		if (n > 0) got += (size_t)n;
		else if (n == -EAGAIN && ready(fd, POLLIN, deadline)) continue;
		else return -1;
	}
	return 0;
}

static char reply[MAX_REPLY];

/* Sends the request and prints the answer; returns if there is none. */
static void exchange(int fd, const int fds[2])
{
	long long deadline = milliseconds() + REPLY_MS;
	unsigned char header[4];
	if (send_frame(fd, fds, deadline) != 0 || receive(fd, (char *)header, sizeof header, deadline) != 0) return;
	size_t length = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
	if (length < 1 || length > sizeof reply || receive(fd, reply, length, deadline) != 0) return;
	print_all(1, reply + 1, length - 1);
	leave((unsigned char)reply[0]);
}

/* ---- the spool ---- */

static _Noreturn void fail_spool(long error)
{
	fail_errno(CODE_TRY_LATER, "Cannot spool DEL in \"", spool_path, error);
}

/* Leaves the request for the agent's next start. */
static _Noreturn void spool(void)
{
	struct timespec at = now(CLOCK_REALTIME);
	char from_bytes[PATH_MAX + 64], to_bytes[PATH_MAX + 64];
	struct text from = { from_bytes, 0, sizeof from_bytes };
	put_text(&from, spool_path);
	put_text(&from, "/");
	put_number(&from, (unsigned long long)at.tv_sec, 10);
	put_number(&from, (unsigned long long)at.tv_nsec, 9);
	put_text(&from, "-");
	put_number(&from, (unsigned long long)CALL(__NR_getpid, 0, 0, 0, 0), 0);
	struct text to = { to_bytes, 0, sizeof to_bytes };
	put(&to, from_bytes, from.size);
	put_text(&from, ".tmp");
	put_text(&to, ".del");
	CALL(__NR_mkdirat, AT_FDCWD, spool_path, 0700, 0);
	long fd = sys_open(from_bytes, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0) fail_spool(-fd);
	long error = 0;
	for (size_t done = 4; done < frame_size && error == 0;) {
		long n = sys_write((int)fd, frame + done, frame_size - done);
		if (n > 0) done += (size_t)n;
		else error = n < 0 ? -n : ENOSPC;
	}
	if (error == 0) error = -sys_fsync((int)fd);
	if (error == 0) error = -sys_close((int)fd);
	if (error == 0) error = -call6(__NR_renameat2, AT_FDCWD, (long)from_bytes, AT_FDCWD, (long)to_bytes, 0, 0);
	if (error == 0) {
		long folder = sys_open(spool_path, O_RDONLY | O_DIRECTORY, 0);
		error = folder < 0 ? -folder : -sys_fsync((int)folder);
		/* It may or may not outlive a power cut: the runtime comes again, and a DEL carried out twice does no harm. */
	}
	if (error != 0) {
		CALL(__NR_unlinkat, AT_FDCWD, from_bytes, 0, 0);
		fail_spool(error);
	}
	leave(0);
}

/* ---- the agent is away ---- */

/* Why it cannot serve, in its own words; empty if it left none. */
static const char *read_reason(void)
{
	static char reason[1024];
	char path_bytes[MAX_PATH + 8];
	struct text path = { path_bytes, 0, sizeof path_bytes };
	put_text(&path, socket_path);
	put_text(&path, ".reason");
	long fd = sys_open(path_bytes, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0) return "";
	long n = sys_read((int)fd, reason, sizeof reason - 1);
	sys_close((int)fd);
	while (n > 0 && reason[n - 1] == '\n') n--;
	reason[n > 0 ? n : 0] = 0;
	return reason;
}

/* ---- the call ---- */

static const char *variable(char **environment, const char *name)
{
	for (; *environment != NULL; environment++) {
		const char *rest = after(*environment, name);
		if (rest != NULL && *rest == '=') return rest + 1;
	}
	return NULL;
}

__attribute__((unused)) static _Noreturn void run(char **environment)
{
	static const char names[][16] = { "CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH" };
	const char *command = variable(environment, names[0]);
	if (command == NULL || *command == 0) {
		print_all(2, about, sizeof about - 1);
		leave(0);
	}
	if (equal(command, "VERSION")) {
		print_all(1, version_reply, sizeof version_reply - 1);
		leave(0);
	}
	int is_del = equal(command, "DEL"), is_status = equal(command, "STATUS"), is_gc = equal(command, "GC");
	int with_pod = is_del || equal(command, "ADD") || equal(command, "CHECK");
	if (!with_pod && !is_status && !is_gc) fail(CODE_ENVIRONMENT, "unknown CNI_COMMAND: ", command, "");

	long long began = milliseconds();
	read_settings();
	frame_size = 4;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *value = variable(environment, names[i]);
		if (value != NULL) append_entry(names[i], value);
	}
	int fds[2] = { -1, -1 };
	const char *netns = variable(environment, "CNI_NETNS");
	if (with_pod && netns != NULL && *netns != 0) {
		long error = open_pod(netns, fds);
		if (error != 0) {
			char bytes[64];
			struct text text = { bytes, 0, sizeof bytes };
			put_error(&text, error);
			fds[0] = -1;
			append_entry("WEFT_NETNS_ERROR", bytes);
		}
	}
	frame[frame_size++] = 0;
	append_stdin();
	size_t length = frame_size - 4;
	for (int i = 0; i < 4; i++) frame[i] = (char)(length >> (24 - 8 * i));

	/*
	 * DEL has an answer of its own when the agent is away, so it does not wait. STATUS waits longest: a runtime that hears 50
	 * makes the node NotReady, which takes all its pods out of their Services, though their traffic flows.
	 */
	int fd = connect_agent(is_del ? began : is_status ? began + (agent_was_here() ? STATUS_MS : 0) : began + CONNECT_MS);
	if (fd >= 0) exchange(fd, fds);
	if (is_del) spool();
	const char *reason = read_reason();
	if (*reason != 0) fail(is_status ? CODE_UNAVAILABLE : CODE_TRY_LATER, "Cannot attach pods: ", reason, "");
	fail(is_status ? CODE_UNAVAILABLE : CODE_TRY_LATER, "Cannot reach the agent at \"", socket_path, "\": it does not answer, wanted the weft agent of this node");
}

/* ---- the start ---- */

#ifndef WEFT_CNI_FUZZ
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));

#if defined(__x86_64__)
#define RELATIVE R_X86_64_RELATIVE
__asm__(".globl _start\n_start:\n\txor %ebp,%ebp\n\tmov %rsp,%rdi\n\tand $-16,%rsp\n\tcall start\n");
#else
#define RELATIVE R_AARCH64_RELATIVE
__asm__(".globl _start\n_start:\n\tmov x29,#0\n\tmov x30,#0\n\tmov x0,sp\n\tb start\n");
#endif

/* What a dynamic loader would do: the program may lie anywhere. Then the guard of the stack gets the kernel's random bytes. */
__attribute__((used, no_stack_protector)) _Noreturn void start(long *stack)
{
	uintptr_t base = (uintptr_t)__ehdr_start;
	const Elf64_Rela *relocations = NULL;
	size_t size = 0;
	for (const Elf64_Dyn *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_RELA) relocations = (const Elf64_Rela *)(base + entry->d_un.d_ptr);
		if (entry->d_tag == DT_RELASZ) size = entry->d_un.d_val;
	}
	for (size_t i = 0; i < size / sizeof *relocations; i++)
		if (ELF64_R_TYPE(relocations[i].r_info) == RELATIVE) *(uintptr_t *)(base + relocations[i].r_offset) = base + (uintptr_t)relocations[i].r_addend;

	char **environment = (char **)(stack + 1 + stack[0] + 1), **end = environment;
	while (*end != NULL) end++;
	for (const Elf64_auxv_t *entry = (const Elf64_auxv_t *)(end + 1); entry->a_type != AT_NULL; entry++)
		if (entry->a_type == AT_RANDOM) __stack_chk_guard = *(const uintptr_t *)entry->a_un.a_val;
	run(environment);
}
#endif
