package bench

import (
	"bytes"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"ccomet/bench/target"
)

// How the bare program serves requests.

// readable reads once, and serves all requests that were read.
func (b *bare) readable(fd int32) {
	conn := &b.conns[fd]
	before := copy(b.in, conn.rest)
	got, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b.in[before])), uintptr(len(b.in)-before))
	if errno != 0 || got == 0 {
		b.forget(fd)
		return
	}
	p := b.in[:before+int(got)]
	for conn.place != -2 {
		end := bytes.Index(p, []byte("\r\n\r\n"))
		if end < 0 {
			break
		}
		if b.echo {
			b.answers = append(b.answers, bareUpgraded...)
			conn.place = -2
		} else {
			b.request(fd, p[:end])
		}
		p = p[end+4:]
	}
	if conn.place == -2 {
		p = b.sendBack(p)
	}
	conn.rest = append(conn.rest[:0], p...)
	if len(b.gathered) > 0 {
		for _, fd := range b.channel(0).fds {
			bareWrite(fd, b.gathered)
		}
		b.gathered = b.gathered[:0]
	}
	bareWrite(fd, b.answers)
	b.answers = b.answers[:0]
}

// bareUpgraded answers a WebSocket handshake. All handshakes have the same key.
const bareUpgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

// sendBack appends the received texts to the answers, and returns the incomplete rest.
func (b *bare) sendBack(p []byte) []byte {
	for len(p) >= 6 {
		n, head := int(p[1]&127), 6
		if n == 126 {
			n, head = int(p[2])<<8|int(p[3]), 8
		}
		if len(p) < head+n {
			break
		}
		b.answers = append(append(b.answers, p[0], p[1]&127), p[2:head-4]...)
		for i, c := range p[head : head+n] {
			b.answers = append(b.answers, c^p[head-4+i&3])
		}
		p = p[head+n:]
	}
	return p
}

func (b *bare) request(fd int32, request []byte) {
	number := channelNumber(request)
	switch {
	case bytes.HasPrefix(request, []byte("GET /push")):
		b.publish(number, contentOf(request))
		b.answers = appendAnswer(b.answers, len("{\"type\":\"ok\"}\n"))
		b.answers = append(b.answers, "{\"type\":\"ok\"}\n"...)
	case bytes.HasPrefix(request, []byte("GET /poll")):
		b.polling = true
		at := bytes.Index(request, []byte("seq="))
		b.poll(fd, number, int(leadingNumber(request[at+4:])))
	default:
		b.frame = append(b.frame[:0], bareStreamHead...)
		b.frame = appendChunk(b.frame, b.nextSeq(number))
		bareWrite(fd, b.frame)
		b.wait(number, fd)
	}
}

func (b *bare) channel(number int) *bareChannel {
	if !b.own {
		number = 0
	}
	for len(b.channels) <= number {
		b.channels = append(b.channels, bareChannel{first: 1, next: 1})
	}
	return &b.channels[number]
}

// wait adds a connection to those that wait for a channel's next message.
func (b *bare) wait(number int, fd int32) {
	c := b.channel(number)
	b.conns[fd].channel, b.conns[fd].place = number, len(c.fds)
	c.fds = append(c.fds, fd)
}

func (b *bare) forget(fd int32) {
	conn := &b.conns[fd]
	if conn.place >= 0 {
		c := b.channel(conn.channel)
		last := c.fds[len(c.fds)-1]
		c.fds[conn.place] = last
		b.conns[last].place = conn.place
		c.fds = c.fds[:len(c.fds)-1]
	}
	*conn = bareConn{place: -1}
	unix.Close(int(fd))
}

func appendAnswer(dst []byte, length int) []byte {
	return append(strconv.AppendInt(append(dst, bareAnswerHead...), int64(length), 10), "\r\n\r\n"...)
}

func (b *bare) nextSeq(number int) []byte {
	b.line = target.AppendDigits(append(b.line[:0], "{\"type\":\"next_seq\",\"cname\":\""...), uint64(number), target.ChannelName)
	b.line = append(b.line, "\",\"seq\":1,\"content\":\"\"}\n"...)
	return b.line
}

// poll serves a poll. Its number shows that the client has all earlier messages.
func (b *bare) poll(fd int32, number, seq int) {
	c := b.channel(number)
	if seq == 0 {
		line := b.nextSeq(number)
		b.frame = append(appendAnswer(b.frame[:0], len(line)), line...)
		bareWrite(fd, b.frame)
		return
	}
	if seq < c.first || seq > c.next {
		fail("bare: a poll asks for number %d of channel %d, of which there are %d to %d", seq, number, c.first, c.next)
	}
	if b.own {
		c.kept = append(c.kept[:0], c.kept[seq-c.first:]...)
		c.first = seq
	}
	if seq == c.next {
		b.wait(number, fd)
		return
	}
	b.line = b.line[:0]
	for _, m := range c.kept[seq-c.first:] {
		b.line = append(b.line, m...)
	}
	b.frame = append(appendAnswer(b.frame[:0], len(b.line)), b.line...)
	bareWrite(fd, b.frame)
}

// publish writes a message to the waiting connections. A poll waits for one message only.
func (b *bare) publish(number int, content []byte) {
	c := b.channel(number)
	b.line = target.AppendDigits(append(b.line[:0], "{\"type\":\"data\",\"cname\":\""...), uint64(number), target.ChannelName)
	b.line = strconv.AppendInt(append(b.line, "\",\"seq\":"...), int64(c.next), 10)
	b.line = append(append(append(b.line, ",\"content\":\""...), content...), "\"}\n"...)
	c.next++
	switch {
	case b.polling:
		c.kept = append(c.kept, bytes.Clone(b.line))
		b.frame = append(appendAnswer(b.frame[:0], len(b.line)), b.line...)
		for _, fd := range c.fds {
			bareWrite(fd, b.frame)
			b.conns[fd].place = -1
		}
		c.fds = c.fds[:0]
	case b.coalesce:
		b.gathered = appendChunk(b.gathered, b.line)
	default:
		b.frame = appendChunk(b.frame[:0], b.line)
		for _, fd := range c.fds {
			bareWrite(fd, b.frame)
		}
	}
}

// channelNumber returns the number of a request's channel, which is also its name.
func channelNumber(request []byte) int {
	const key = "cname="
	at := bytes.Index(request, []byte(key))
	if at < 0 || len(request) < at+len(key)+target.ChannelName {
		fail("bare: no channel in %q", request)
	}
	return int(leadingNumber(request[at+len(key):][:target.ChannelName]))
}

// contentOf returns the content that a request publishes.
func contentOf(request []byte) []byte {
	_, content, _ := bytes.Cut(request, []byte("content="))
	content, _, found := bytes.Cut(content, []byte(" "))
	if !found {
		fail("bare: no content in %q", request)
	}
	return content
}
