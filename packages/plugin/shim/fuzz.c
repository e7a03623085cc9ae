/*
 * Fuzzes what of weft-cni.c reads foreign bytes: settings, the agent's answer, environment values, texts of errors.
 *
 *   clang -fsanitize=fuzzer,address,undefined -DWEFT_CNI_FUZZ -o fuzz shim/fuzz.c && ./fuzz
 *   gcc -fsanitize=address,undefined -DWEFT_CNI_FUZZ -DOWN_LOOP -o fuzz shim/fuzz.c && ./fuzz <seed> <rounds>
 *
 * The second brings its own loop, for machines without libFuzzer: mutations of a few inputs that are well formed.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include "weft-cni.c"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf home;

_Noreturn void leave(int code)
{
	longjmp(home, code + 1);
}

/* The settings of one round are not those of the next. */
static void reset(void)
{
	memset(socket_path, 0, sizeof socket_path);
	memset(spool_path, 0, sizeof spool_path);
	frame_size = 4;
}

static void fuzz_settings(const uint8_t *data, size_t size)
{
	char file[2 * PATH_MAX + 64];
	if (size >= sizeof file) size = sizeof file - 1;
	memcpy(file, data, size);
	file[size] = 0;
	parse_settings(file);
	if (length_of(socket_path) >= sizeof socket_path || length_of(spool_path) >= sizeof spool_path) abort();
}

static void fuzz_reply(const uint8_t *data, size_t size)
{
	static int pair[2] = { -1, -1 };
	const int none[2] = { -1, -1 };
	/* A round that found an answer left through leave(). */
	if (pair[0] >= 0) sys_close(pair[0]), sys_close(pair[1]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) abort();
	if (size > 65536) size = 65536;
	if (sys_write(pair[1], data, size) != (long)size) return;
	CALL(__NR_shutdown, pair[1], SHUT_WR, 0, 0);
	frame_size = 8;
	exchange(pair[0], none);
}

static void fuzz_entry(const uint8_t *data, size_t size)
{
	char *value = malloc(size + 1);
	memcpy(value, data, size);
	value[size] = 0;
	int code = setjmp(home);
	if (code == 0) {
		append_entry("CNI_ARGS", value);
		append_entry("CNI_PATH", value);
	}
	free(value);
	if (frame_size > MAX_ENVIRONMENT) abort();
}

static void fuzz_error(const uint8_t *data, size_t size)
{
	char text[4096];
	if (size >= sizeof text) size = sizeof text - 1;
	memcpy(text, data, size);
	text[size] = 0;
	if (size > 0 && data[0] % 2 == 0) fail_errno(CODE_IO, "Cannot try: ", text, size > 1 ? data[1] : 0);
	fail(CODE_IO, "Cannot try: ", text, "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(const uint8_t *, size_t) = { fuzz_settings, fuzz_reply, fuzz_entry, fuzz_error };
	if (size == 0) return 0;
	reset();
	if (setjmp(home) == 0) targets[data[0] % 4](data + 1, size - 1);
	return 0;
}

#ifdef OWN_LOOP
static uint64_t state;

static uint32_t random_below(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

int main(int argc, char **argv)
{
	static const struct { size_t size; const char *bytes; } seeds[] = {
		{ 45, "\0socket=/run/weft/cni.sock\nspool=/var/lib/weft\n" }, { 12, "\1\0\0\0\6\0{\"a\":1" }, { 9, "\1\0\0\0\1\7xyz" }, { 12, "\2IP=10.0.0.1;" }, { 14, "\3say \"hi\" \\\n\t" }, { 6, "\1\377\377\377\377\0" },
	};
	static uint8_t input[70000];
	state = argc > 1 ? (uint64_t)atoll(argv[1]) : 1;
	long rounds = argc > 2 ? atol(argv[2]) : 10000;
	for (long round = 0; round < rounds; round++) {
		uint32_t seed = random_below(sizeof seeds / sizeof *seeds);
		size_t size = seeds[seed].size;
		memcpy(input, seeds[seed].bytes, size);
		for (uint32_t edits = random_below(8); edits > 0; edits--) {
			uint32_t kind = random_below(4), at = random_below((uint32_t)size);
			if (kind == 0) input[at] = (uint8_t)random_below(256);
			else if (kind == 1) size = at + 1;
			else if (kind == 2) {
				/* Long runs of one byte: beyond every buffer. */
				uint32_t more = random_below(random_below(20) == 0 ? 60000 : 300);
				if (size + more > sizeof input) more = (uint32_t)(sizeof input - size);
				memset(input + size, (int)random_below(256), more);
				size += more;
			} else input[at] ^= (uint8_t)(1u << random_below(8));
		}
		LLVMFuzzerTestOneInput(input, size);
	}
	fprintf(stderr, "%ld rounds\n", rounds);
	return 0;
}
#endif
