/* The bare program, which servers are held against: one thread that makes the system calls that cannot be done without,
 * and does nothing else. It speaks as much of the protocol as the harness does; bare.go is the same in Go, and says what
 * it is told. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NAME 16 /* bytes of a channel's name, which is a number */
#define EXTRA 256 /* more than a message takes beside its content */

static const char stream_head[] =
	"HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:18:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n"
	"Cache-Control: no-cache, no-transform\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\n"
	"Transfer-Encoding: chunked\r\n\r\n";
static const char poll_head[] =
	"HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:18:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n"
	"Cache-Control: no-cache\r\nExpires: 0\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n\r\n";
static const char next_seq[] = "{\"type\":\"next_seq\",\"cname\":\"%016d\",\"seq\":1,\"content\":\"\"}\n";
static const char noop[] = "{\"type\":\"noop\",\"cname\":\"0000000000000000\",\"seq\":0,\"content\":\"\"}\n";
static const char data[] = "{\"type\":\"data\",\"cname\":\"%016d\",\"seq\":%d,\"content\":\"%.*s\"}\n";
static const char upgraded[] =
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"; /* of the key that all have */
static const char ok[] = "{\"type\":\"ok\"}\n";

struct buffer {
	char *at;
	size_t n, room;
};

/* A message that a poll may still ask for. */
struct message {
	int n;
	char text[];
};

/* Of a channel: the connections that are to get its next message, and, for polls, what is not known to have come. */
struct channel {
	int *fds, n, room;
	int seq; /* of the next message */
	struct message **kept;
	int first, keeps, holds; /* the number of the first that is kept, how many, and room for how many */
};

/* Of a connection, by its descriptor. */
struct conn {
	int channel, place; /* place in channel.fds; -1: none; -2: a WebSocket's */
	struct buffer rest; /* the beginning of a request whose end is missing */
};

/* each connection has a channel of its own; a burst is written in one piece; WebSockets are sent back what they say */
static int own, coalesce, echo;
static int ep, listener;
static struct channel *channels;
static struct conn *conns;
static int all, most;		/* channels; connections that there may be */
static struct buffer frames;	/* what a request is answered with, or published, in one piece */
static struct buffer answers;	/* to a publisher, for all that it asked in one piece */
static struct buffer gathered;	/* coalesce: what was published, in one piece */
static struct buffer commands;	/* the beginning of a line */
static char input[1 << 18];

static void fail(const char *format, ...) {
	va_list args;
	va_start(args, format);
	printf("error bare: ");
	vprintf(format, args);
	printf("\n");
	exit(1);
}

static void *grown(void *old, size_t bytes) {
	void *p = realloc(old, bytes);
	if (p == NULL)
		fail("no memory");
	return p;
}

static void reserve(struct buffer *b, size_t more) {
	if (b->n + more > b->room)
		b->at = grown(b->at, b->room = 2 * (b->n + more));
}

static void append(struct buffer *b, const char *p, size_t n) {
	reserve(b, n);
	memcpy(b->at + b->n, p, n);
	b->n += n;
}

static void put(int fd, const struct buffer *b) {
	if (b->n > 0 && write(fd, b->at, b->n) != (ssize_t)b->n)
		fail("a short write: %s", strerror(errno));
}

static void append_chunk(struct buffer *b, const char *p, int n) {
	reserve(b, n + EXTRA);
	b->n += sprintf(b->at + b->n, "%x\r\n", n);
	append(b, p, n);
	append(b, "\r\n", 2);
}

static struct channel *channel(int number) {
	if (!own)
		number = 0;
	if (number >= all) {
		channels = grown(channels, (2 * number + 16) * sizeof *channels);
		memset(channels + all, 0, (2 * number + 16 - all) * sizeof *channels);
		for (; all < 2 * number + 16; all++)
			channels[all].seq = channels[all].first = 1;
	}
	return &channels[number];
}

/* wait has a connection get the next message of its channel. */
static void wait_for(struct channel *c, int number, int fd) {
	if (c->n == c->room)
		c->fds = grown(c->fds, (c->room = 2 * c->room + 1) * sizeof *c->fds);
	conns[fd].channel = number;
	conns[fd].place = c->n;
	c->fds[c->n++] = fd;
}

static void forget(int fd) {
	struct conn *at = &conns[fd];
	if (at->place >= 0) {
		struct channel *c = channel(at->channel);
		int last = c->fds[--c->n];
		c->fds[at->place] = last;
		conns[last].place = at->place;
		at->place = -1;
	}
	close(fd);
	free(at->rest.at);
	memset(&at->rest, 0, sizeof at->rest);
}

static void open_stream(int fd, int number) {
	char line[EXTRA];
	frames.n = 0;
	append(&frames, stream_head, sizeof stream_head - 1);
	append_chunk(&frames, line, sprintf(line, next_seq, number));
	put(fd, &frames);
	wait_for(channel(number), number, fd);
}

/* answer_poll answers with the messages from number seq on. */
static void answer_poll(int fd, struct channel *c, int seq) {
	int n = 0;
	for (int i = seq; i < c->seq; i++)
		n += c->kept[i - c->first]->n;
	frames.n = 0;
	reserve(&frames, sizeof poll_head + EXTRA);
	frames.n = sprintf(frames.at, poll_head, n);
	for (int i = seq; i < c->seq; i++)
		append(&frames, c->kept[i - c->first]->text, c->kept[i - c->first]->n);
	put(fd, &frames);
}

/* open_poll takes a poll. One that says which message is next knows all before it. */
static void open_poll(int fd, int number, int seq) {
	struct channel *c = channel(number);
	char line[EXTRA];
	if (seq == 0) {
		int n = sprintf(line, next_seq, number);
		frames.n = 0;
		reserve(&frames, sizeof poll_head + EXTRA);
		frames.n = sprintf(frames.at, poll_head, n);
		append(&frames, line, n);
		put(fd, &frames);
		return;
	}
	if (seq < c->first || seq > c->seq)
		fail("a poll asks for number %d of channel %d, of which there are %d to %d", seq, number, c->first, c->seq);
	if (own) {
		int known = seq - c->first;
		for (int i = 0; i < known; i++)
			free(c->kept[i]);
		if (known > 0)
			memmove(c->kept, c->kept + known, (c->keeps -= known) * sizeof *c->kept);
		c->first = seq;
	}
	if (seq < c->seq)
		answer_poll(fd, c, seq);
	else
		wait_for(c, number, fd);
}

static void keep(struct channel *c, const char *text, int n) {
	if (c->keeps == c->holds)
		c->kept = grown(c->kept, (c->holds = 2 * c->holds + 1) * sizeof *c->kept);
	struct message *m = grown(NULL, sizeof *m + n);
	m->n = n;
	memcpy(m->text, text, n);
	c->kept[c->keeps++] = m;
}

/* publish writes a message to the connections that wait for it. Polls wait for one only. */
static void publish(int number, const char *content, int length, int polls) {
	static char *text;
	static int room;
	struct channel *c = channel(number);
	if (length + EXTRA > room)
		text = grown(text, room = length + EXTRA);
	int n = sprintf(text, data, number, c->seq, length, content);
	if (polls) {
		keep(c, text, n);
		frames.n = 0;
		reserve(&frames, sizeof poll_head + EXTRA);
		frames.n = sprintf(frames.at, poll_head, n);
		append(&frames, text, n);
		for (int i = 0; i < c->n; i++) {
			put(c->fds[i], &frames);
			conns[c->fds[i]].place = -1;
		}
		c->n = 0;
	} else if (coalesce) {
		append_chunk(&gathered, text, n);
	} else {
		frames.n = 0;
		append_chunk(&frames, text, n);
		for (int i = 0; i < c->n; i++)
			put(c->fds[i], &frames);
	}
	c->seq++;
}

static int polling; /* a poll has been seen */

/* request does what one asks for, whose head ends at end. */
static void request(int fd, const char *p, const char *end) {
	const char *name = memmem(p, end - p, "cname=", 6);
	if (name == NULL)
		fail("no channel in a request");
	int number = atoi(name + 6);
	if (memcmp(p, "GET /push", 9) == 0) {
		const char *content = memmem(p, end - p, "content=", 8);
		if (content == NULL)
			fail("no content in a request");
		content += 8;
		publish(number, content, (const char *)memchr(content, ' ', end - content) - content, polling);
		reserve(&answers, sizeof poll_head + EXTRA);
		answers.n += sprintf(answers.at + answers.n, poll_head, (int)sizeof ok - 1);
		append(&answers, ok, sizeof ok - 1);
	} else if (memcmp(p, "GET /poll", 9) == 0) {
		polling = 1;
		open_poll(fd, number, atoi((const char *)memmem(p, end - p, "seq=", 4) + 4));
	} else {
		open_stream(fd, number);
	}
}

/* send_back answers with the texts that are there, and returns what is behind them. */
static char *send_back(char *p, const char *end) {
	while (end - p >= 6) {
		int n = p[1] & 127, head = n == 126 ? 8 : 6;
		if (n == 126)
			n = (unsigned char)p[2] << 8 | (unsigned char)p[3];
		if (end - p < head + n)
			break;
		p[1] &= 127;
		append(&answers, p, head - 4);
		reserve(&answers, n);
		char *out = answers.at + answers.n, mask[4];
		memcpy(mask, p + head - 4, 4);
		for (int i = 0; i < n; i++)
			out[i] = p[head + i] ^ mask[i & 3];
		answers.n += n;
		p += head + n;
	}
	return p;
}

/* readable reads once, and does all that is asked for. */
static void readable(int fd) {
	struct buffer *rest = &conns[fd].rest;
	size_t before = rest->n;
	if (before > sizeof input / 2)
		fail("a request of %zu bytes", before);
	memcpy(input, rest->at, before);
	ssize_t got = read(fd, input + before, sizeof input - before);
	if (got <= 0) {
		forget(fd);
		return;
	}
	char *p = input, *end = input + before + got, *head;
	while (conns[fd].place != -2 && (head = memmem(p, end - p, "\r\n\r\n", 4)) != NULL) {
		if (echo) {
			append(&answers, upgraded, sizeof upgraded - 1);
			conns[fd].place = -2;
		} else {
			request(fd, p, head);
		}
		p = head + 4;
	}
	if (conns[fd].place == -2)
		p = send_back(p, end);
	rest->n = 0;
	if (p < end)
		append(rest, p, end - p);
	if (gathered.n > 0) {
		struct channel *c = channel(0);
		for (int i = 0; i < c->n; i++)
			put(c->fds[i], &gathered);
		gathered.n = 0;
	}
	put(fd, &answers);
	answers.n = 0;
}

static void watch(int fd) {
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (fd >= most || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) != 0)
		fail("epoll_ctl: %s", strerror(errno));
}

static void acceptable(void) {
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		fail("accept4: %s", strerror(errno));
	watch(fd);
	conns[fd].place = -1;
}

/* beat writes a heartbeat to every stream, over so many seconds in steps of half a second. */
static void beat(int seconds) {
	struct channel *c = channel(0);
	struct timespec pause = {.tv_nsec = 500000000};
	frames.n = 0;
	append_chunk(&frames, noop, sizeof noop - 1);
	for (long step = 0, steps = 2 * seconds; step < steps; step++) {
		for (long i = c->n * step / steps; i < c->n * (step + 1) / steps; i++)
			put(c->fds[i], &frames);
		nanosleep(&pause, NULL);
	}
	printf("beat %d\n", seconds);
}

/* told reads what the harness says. It ends with its input. */
static void told(void) {
	ssize_t got = read(0, input, sizeof input);
	if (got <= 0)
		exit(0);
	append(&commands, input, got);
	for (char *line; (line = memchr(commands.at, '\n', commands.n)) != NULL;) {
		int seconds, length = line + 1 - commands.at;
		*line = 0;
		if (sscanf(commands.at, "beat %d", &seconds) == 1)
			beat(seconds);
		memmove(commands.at, line + 1, commands.n -= length);
	}
}

static void listen_at_loopback(void) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	int one = 1;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
		bind(listener, (struct sockaddr *)&at, size) != 0 || listen(listener, 4096) != 0 ||
		getsockname(listener, (struct sockaddr *)&at, &size) != 0)
		fail("listening: %s", strerror(errno));
	printf("address 127.0.0.1:%d\n", ntohs(at.sin_port));
}

int main(int argc, char **argv) {
	struct rlimit limit;
	struct epoll_event events[512];
	for (int i = 1; i < argc; i++) {
		own |= strcmp(argv[i], "own") == 0;
		coalesce |= strcmp(argv[i], "coalesce") == 0;
		echo |= strcmp(argv[i], "echo") == 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		fail("getrlimit: %s", strerror(errno));
	most = limit.rlim_cur < 1 << 22 ? limit.rlim_cur : 1 << 22;
	conns = calloc(most, sizeof *conns); /* of which the kernel gives what is used */
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (conns == NULL || ep < 0)
		fail("starting: %s", strerror(errno));
	listen_at_loopback();
	watch(listener);
	watch(0);
	for (;;) {
		int n = epoll_wait(ep, events, 512, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == listener)
				acceptable();
			else if (fd == 0)
				told();
			else
				readable(fd);
		}
	}
}
