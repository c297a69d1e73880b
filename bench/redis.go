package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// redisConn is a connection to Redis.
type redisConn struct {
	net.Conn
	in *bufio.Reader
}

func dialRedis(address string) (*redisConn, error) {
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &redisConn{c, bufio.NewReader(c)}, nil
}

// appendCommand appends a command in Redis' protocol.
func appendCommand(dst []byte, args ...string) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n", len(args))
	for _, arg := range args {
		dst = fmt.Appendf(dst, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return dst
}

// do executes a command, and returns its answer as text: for a list, its last element.
func (c *redisConn) do(args ...string) (string, error) {
	if _, err := c.Write(appendCommand(nil, args...)); err != nil {
		return "", err
	}
	return c.read()
}

// words executes a command whose answer is a list.
func (c *redisConn) words(args ...string) (words []string, err error) {
	if _, err := c.Write(appendCommand(nil, args...)); err != nil {
		return nil, err
	}
	line, err := c.in.ReadString('\n')
	if err != nil || line[0] != '*' {
		return nil, fmt.Errorf("answer of Redis: %q, %w", line, err)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	for range n {
		word, err := c.read()
		if err != nil {
			return nil, err
		}
		words = append(words, word)
	}
	return words, nil
}

func (c *redisConn) read() (string, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return "", errors.New("no answer of Redis")
	}
	n, _ := strconv.Atoi(line[1:])
	switch line[0] {
	case '-':
		return "", fmt.Errorf("answer of Redis: %s", line[1:])
	case '$':
		text := make([]byte, max(n+2, 0))
		_, err = io.ReadFull(c.in, text)
		return string(text[:max(n, 0)]), err
	case '*':
		last := ""
		for range n {
			if last, err = c.read(); err != nil {
				return "", err
			}
		}
		return last, nil
	}
	return line[1:], nil
}

// numberOf returns a number of INFO.
func (c *redisConn) numberOf(section, name string) (int64, error) {
	text, err := c.do("INFO", section)
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(text, "\n"+name+":")
	rest, _, _ = strings.Cut(rest, "\r\n")
	n, err := strconv.ParseInt(rest, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("INFO %s has no %s", section, name)
	}
	return n, nil
}

// bareScript makes only the calls that are indispensable to number and store a message: a
// counter and a bounded list of messages, both with a time to live, and an entry in a
// stream for the other nodes.
const bareScript = `
local n = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], 604800)
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('LTRIM', KEYS[2], -100, -1)
redis.call('EXPIRE', KEYS[2], 3600)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 100000, '*', 'e', ARGV[1])
return n`

// scripted calls the script on a Redis that nothing else uses.
type scripted struct {
	conn    *redisConn
	sha     string
	content string
	channel int
}

func newScripted(address string, size int) (*scripted, error) {
	conn, err := dialRedis(address)
	if err != nil {
		return nil, err
	}
	sha, err := conn.do("SCRIPT", "LOAD", bareScript)
	return &scripted{conn: conn, sha: sha, content: strings.Repeat("x", size)}, err
}

// appendCall appends a call for the next channel.
func (s *scripted) appendCall(dst []byte) []byte {
	s.channel = (s.channel + 1) % 1000
	name := strconv.Itoa(s.channel)
	return appendCommand(dst, "EVALSHA", s.sha, "3", "bare{0}m:"+name, "bare{0}h:"+name, "bare{0}bus", s.content)
}

// pipeline makes n calls, in batches of depth.
func (s *scripted) pipeline(n, depth int) error {
	var out []byte
	for n > 0 {
		some := min(n, depth)
		out = out[:0]
		for range some {
			out = s.appendCall(out)
		}
		if _, err := s.conn.Write(out); err != nil {
			return err
		}
		for range some {
			if _, err := s.conn.read(); err != nil {
				return err
			}
		}
		n -= some
	}
	return nil
}

// pace makes n calls on schedule, and returns their latencies from the scheduled time, in
// µs, as for a publisher.
func (s *scripted) pace(ctx context.Context, n int, rate float64) (*hdrhistogram.Histogram, error) {
	var schedule pace
	clock, took := newClock(), newHistogram()
	timer, err := schedule.arm(clock.now(), n, rate)
	if err != nil {
		return nil, err
	}
	defer unix.Close(timer)
	var expiries [8]byte
	for schedule.left > 0 && ctx.Err() == nil {
		if _, err := unix.Read(timer, expiries[:]); err == unix.EINTR {
			continue
		} else if err != nil {
			return nil, err
		}
		for _, due := range schedule.come(expiries[:]) {
			if _, err := s.conn.Write(s.appendCall(nil)); err != nil {
				return nil, err
			}
			if _, err := s.conn.read(); err != nil {
				return nil, err
			}
			_ = took.RecordValue((clock.now() - due) / 1000)
		}
	}
	return took, ctx.Err()
}
