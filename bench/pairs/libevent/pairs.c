/* The libevent side of the socket-pair benchmark; contestant.go is the other,
 * and pairs.go says what both do. */

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct event_base *base;
static long reads_left, writes_left; /* of the run */

static void die(const char *what) {
	fprintf(stderr, "libevent pairs: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_byte(evutil_socket_t fd) {
	if (write(fd, "x", 1) != 1)
		die("write");
}

/* next is the descriptor to write to. */
static void readable(evutil_socket_t fd, short what, void *next) {
	char byte;
	(void)what;
	if (read(fd, &byte, 1) != 1)
		die("read");
	if (writes_left > 0) {
		writes_left--;
		write_byte((evutil_socket_t)(intptr_t)next);
	}
	if (--reads_left == 0)
		event_base_loopbreak(base);
}

static struct event_base *open_base(void) {
	struct event_config *config = event_config_new();
	if (config == NULL || event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) != 0)
		die("event_config");
	struct event_base *opened = event_base_new_with_config(config);
	if (opened == NULL || strcmp(event_base_get_method(opened), "epoll") != 0)
		die("event_base_new: no epoll");
	event_config_free(config);
	return opened;
}

static void raise_descriptors(void) {
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		die("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		die("setrlimit");
}

static int64_t nanoseconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* open_chain opens the pairs of one chain and returns where its first byte is
 * to be written. */
static int open_chain(long pairs, short what) {
	int(*ends)[2] = calloc(pairs, sizeof *ends);
	if (ends == NULL)
		die("calloc");
	for (long i = 0; i < pairs; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends[i]) != 0)
			die("socketpair");
	for (long i = 0; i < pairs; i++) {
		void *next = (void *)(intptr_t)ends[(i + 1) % pairs][1];
		struct event *added = event_new(base, ends[i][0], what, readable, next);
		if (added == NULL || event_add(added, NULL) != 0)
			die("event_add");
	}
	int start = ends[0][1];
	free(ends);
	return start;
}

/* One run, and how many microseconds it took. */
static int64_t run(const int *starts, long active, long writes) {
	int64_t began = nanoseconds();
	reads_left = active + writes;
	writes_left = writes;
	for (long i = 0; i < active; i++)
		write_byte(starts[i]);
	if (event_base_dispatch(base) != 0)
		die("event_base_dispatch");
	return (nanoseconds() - began) / 1000;
}

int main(int argc, char **argv) {
	if (argc != 5) {
		fprintf(stderr, "usage: pairs edge|level PAIRS ACTIVE WRITES\n");
		return 2;
	}
	short what = EV_READ | EV_PERSIST | (strcmp(argv[1], "edge") == 0 ? EV_ET : 0);
	long pairs = atol(argv[2]), active = atol(argv[3]), writes = atol(argv[4]);
	raise_descriptors();
	base = open_base();
	int *starts = calloc(active, sizeof *starts);
	if (starts == NULL)
		die("calloc");
	for (long i = 0; i < active; i++)
		starts[i] = open_chain(pairs / active, what);
	puts("ready");
	fflush(stdout);
	for (char line[16]; fgets(line, sizeof line, stdin) != NULL;) {
		printf("micros %" PRId64 "\n", run(starts, active, writes));
		fflush(stdout);
	}
	return 0;
}
