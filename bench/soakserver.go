package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The server in a soak: how it is started, ended, and observed.

// soakLimits are the server's limits in all its lives.
type soakLimits struct{ keeps, bytes, subscribers, connections int }

// arguments returns the command line of a life of the server. life.ceilings adds limits that
// are reached.
func (m *soaking) arguments(life soakLife) []string {
	l := &m.limits
	args := []string{
		"--log-level", "info", "--log-format", "json", "--state", m.stateFile(), "--state-interval", fmt.Sprint(int(stateEvery / time.Second)),
		"--drain-time", fmt.Sprint(1 + m.random.IntN(3)), "--loops", fmt.Sprint(1 + m.random.IntN(3)),
		"--channel-timeout", "3", "--polling-timeout", "8", "--request-timeout", "4", "--body-timeout", "4", "--idle-timeout", fmt.Sprint(idleTimeout.Seconds()), "--write-timeout", fmt.Sprint(writeTimeout.Seconds()),
		"--channel-buffer-size", fmt.Sprint(l.keeps), "--channel-buffer-bytes", fmt.Sprint(l.bytes), "--max-message", fmt.Sprint(maxSoakMessage),
	}
	if life.ceilings {
		args = append(args, "--max-connections", fmt.Sprint(l.connections), "--max-connections-per-address", fmt.Sprint(10*l.connections),
			"--max-subscribers-per-channel", fmt.Sprint(l.subscribers), "--accept-rate", "1500", "--publish-rate-per-channel", "200", "--max-held-bytes", "1048576")
	}
	if life.sheds {
		args = append(args, "--max-history-bytes", "1000000", "--history-minimum", fmt.Sprint(1+m.random.IntN(3)))
	}
	return args
}

// stateEvery is the interval at which the server writes its state.
const stateEvery = 4 * time.Second

func (m *soaking) stateFile() string { return filepath.Join(m.server.dir, "state") }

// newLife draws the properties of the server's next life.
func (m *soaking) newLife() soakLife {
	return soakLife{up: true, ceilings: m.random.IntN(2) == 0, sheds: m.random.IntN(3) == 0}
}

// launch starts the server, and reports to crashed if the server ends by itself.
func (m *soaking) launch(life soakLife) error {
	if err := m.server.launch(m.whole, m.arguments(life)...); err != nil {
		return err
	}
	m.lives++
	m.baseline = 0
	m.expected.Store(false)
	go func(ended chan struct{}) {
		<-ended
		if !m.expected.Load() {
			m.crashed <- m.endedByItself()
		}
	}(m.server.ended)
	stats, err := m.stats(m.whole)
	if err != nil {
		return err
	}
	own, err := m.server.Descriptors()
	m.descriptors = own - stats.Connections
	return err
}

// endedByItself returns the error of a server that has ended unexpectedly.
func (m *soaking) endedByItself() error {
	return fmt.Errorf("the server ended by itself: %s", m.server.log)
}

// kill kills the server, and stop stops it in the ordinary way. Both return when it has ended
// and all its clients know it.
func (m *soaking) kill() error { return m.finish(syscall.SIGKILL) }
func (m *soaking) stop() error { return m.finish(syscall.SIGTERM) }

func (m *soaking) finish(signal syscall.Signal) error {
	life := m.life
	life.ending = true
	if err := m.order(m.whole, soakOrder{kind: orderLife, life: life}); err != nil {
		return err
	}
	m.expected.Store(true)
	m.client.CloseIdleConnections()
	if err := syscall.Kill(int(m.server.Process), signal); errors.Is(err, syscall.ESRCH) {
		return m.endedByItself()
	} else if err != nil {
		return err
	}
	select {
	case <-m.server.ended:
	case <-time.After(hangTimeout):
		return fmt.Errorf("the server has not ended %v after %v", hangTimeout, signal)
	}
	if code := m.server.cmd.ProcessState.ExitCode(); signal == syscall.SIGTERM && code != 0 {
		m.faults.fault("the server, told to stop, ended with status %d: %s", code, m.server.log.String())
	}
	return m.order(m.whole, soakOrder{kind: orderGone})
}

// restart starts a server that has ended. The judge checks the numbers with which it continues
// before any client connects.
func (m *soaking) restart(killed bool) error {
	var at int64
	if killed {
		var err error
		if at, err = m.stateBegun(); err != nil {
			return err
		}
	}
	m.life = m.newLife()
	if err := m.launch(m.life); err != nil {
		return err
	}
	next, err := m.next(m.whole)
	if err != nil {
		return err
	}
	return m.order(m.whole, soakOrder{kind: orderRestart, next: next, at: at, life: m.life})
}

// upgrade upgrades the server to the program on the disk, whatever it is doing. Nothing is
// excused by that: no client may be disconnected, and the judge is not informed.
func (m *soaking) upgrade() error {
	now, err := m.server.upgrade(m.ctx, 0)
	switch {
	case err == nil:
		if m.c.Loud {
			m.print("%6.1f s: upgraded, with %d connections, after a pause of %.1f ms", time.Since(m.started).Seconds(), now.Connections, now.Pause*1e3)
		}
		return nil
	case m.ctx.Err() != nil:
		return m.ctx.Err()
	}
	select {
	case err := <-m.crashed:
		return err
	case <-m.server.ended:
		return m.endedByItself()
	default:
		m.faults.fault("an upgrade: %v", err)
		return nil
	}
}

// stateBegun returns the time when the server began to write the present state file, which is
// before it read any channel, in nanoseconds of Unix time.
func (m *soaking) stateBegun() (int64, error) {
	var s unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, m.stateFile(), 0, unix.STATX_BTIME, &s); err != nil {
		return 0, fmt.Errorf("the state file: %w", err)
	}
	if s.Mask&unix.STATX_BTIME == 0 {
		return 0, fmt.Errorf("the file system of %s does not record when a file was created, so the soak cannot tell what a crash may lose: set TMPDIR to another one", m.server.dir)
	}
	return s.Btime.Sec*int64(time.Second) + int64(s.Btime.Nsec), nil
}

// written waits until the state file contains the present state.
func (m *soaking) written(ctx context.Context) error {
	now := time.Now().UnixNano()
	return m.until(ctx, "the server to write its state", func() (bool, string) {
		at, err := m.stateBegun()
		return err == nil && at > now, fmt.Sprint(err)
	})
}

// until repeats a check until it succeeds. The check also describes the present state.
func (m *soaking) until(ctx context.Context, what string, so func() (bool, string)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, hangTimeout, errHang)
	defer cancel()
	for n := 1; ; n++ {
		ok, instead := so()
		if ok {
			return nil
		}
		if m.c.Loud && n%50 == 0 {
			m.print("%6.1f s: still waiting for %s: %s", time.Since(m.started).Seconds(), what, instead)
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			if errors.Is(context.Cause(ctx), errHang) {
				return fmt.Errorf("waited %v for %s: %s", hangTimeout, what, instead)
			}
			return err
		}
	}
}

var errHang = errors.New("waited too long")

// get requests target from the server, at an address.
func (m *soaking) get(ctx context.Context, address, target string) ([]byte, error) {
	return fetch(ctx, m.client, address, target)
}

// fetch requests target from an address. A status other than 200 is an error.
func fetch(ctx context.Context, client *http.Client, address, target string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+target, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: the server answered %s: %.200s", target, resp.Status, body)
	}
	return body, err
}

// next returns the next number of each channel.
func (m *soaking) next(ctx context.Context) ([]int32, error) {
	next := make([]int32, len(m.names))
	for i, name := range m.names {
		body, err := m.get(ctx, m.server.front, "/poll?seq=0&cname="+url.QueryEscape(name))
		if err != nil {
			return nil, err
		}
		var o struct {
			Type string
			Seq  int32
		}
		if err := json.Unmarshal(body, &o); err != nil || o.Type != "next_seq" {
			return nil, fmt.Errorf("asked for the next number of channel %s, the server answered %.200s", name, body)
		}
		next[i] = o.Seq
	}
	return next, nil
}

// soakStats are the server's own figures.
type soakStats struct {
	Connections, Channels, Subscribers int
	Published, Delivered               int64
}

func (m *soaking) stats(ctx context.Context) (s soakStats, err error) {
	body, err := m.get(ctx, m.server.admin, "/stats")
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	return s, err
}

// readLog reads a line of the server's log.
func (m *soaking) readLog(line string) {
	var entry struct{ Level string }
	switch {
	case strings.TrimSpace(line) == "":
	case json.Unmarshal([]byte(line), &entry) != nil:
		m.faults.fault("the server says %.300q", line)
	case entry.Level == "error" || entry.Level == "fatal" || entry.Level == "panic":
		m.faults.fault("the server logs %.300s", line)
	}
}
