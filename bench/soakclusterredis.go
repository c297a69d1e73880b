package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// Redis and its Sentinels in the soak of a cluster.

// launchRedis starts one, as the replica of the other unless that is to be the master.
func (s *clusterSoak) launchRedis(i, master int) error {
	more := []string{"--save", "", "--repl-diskless-sync-delay", "0"}
	if i != master {
		more = append(more, "--replicaof", strings.ReplaceAll(s.redis[master].front, ":", " "))
	}
	return s.redis[i].launch(context.WithoutCancel(s.ctx), more...)
}

// master is which of both the Sentinels take for the master.
func (s *clusterSoak) master() int {
	for _, sentinel := range s.sentinels {
		c, err := dialRedis(sentinel.front)
		if err != nil {
			continue
		}
		_ = c.SetDeadline(time.Now().Add(time.Second))
		port, err := c.do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", soakMaster)
		c.Close()
		for i, r := range s.redis {
			if err == nil && strings.HasSuffix(r.front, ":"+port) {
				return i
			}
		}
	}
	return 0
}

// tell has one execute a command.
func (s *clusterSoak) tell(i int, args ...string) error {
	c, err := dialRedis(s.redis[i].front)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	_, err = c.do(args...)
	return err
}

// role says whether one is a master, or a replica that is in step.
func (s *clusterSoak) role(i int) string {
	c, err := dialRedis(s.redis[i].front)
	if err != nil {
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	text, _ := c.do("INFO", "replication")
	switch {
	case strings.Contains(text, "role:master"):
		return "master"
	case strings.Contains(text, "master_link_status:up"):
		return "in step"
	}
	return "behind"
}

// awaitRedis waits until one is the master, which the Sentinels know too, and the other is in step.
func (s *clusterSoak) awaitRedis() error {
	deadline := time.Now().Add(hangTimeout)
	for {
		m := s.master()
		if s.role(m) == "master" && s.role(1-m) == "in step" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("there is no master with a replica: %s is %q, %s is %q", s.redis[0].front, s.role(0), s.redis[1].front, s.role(1))
		}
		_ = sleep(context.WithoutCancel(s.ctx), 100*time.Millisecond)
	}
}

// failOver kills the master, and waits until the replica has taken its place; then it comes back
// as a replica. Where the replica lags, it lacks the last messages.
func (s *clusterSoak) failOver(lagging bool) error {
	if err := s.awaitRedis(); err != nil {
		return err
	}
	s.judge.setHarmed(true)
	m := s.master()
	old, other := s.redis[m], s.redis[1-m]
	if lagging {
		_ = syscall.Kill(int(other.Process), syscall.SIGSTOP)
		_ = sleep(s.ctx, time.Duration(s.random.Int64N(int64(600*time.Millisecond))))
	}
	old.kill()
	if lagging {
		_ = syscall.Kill(int(other.Process), syscall.SIGCONT)
	}
	deadline := time.Now().Add(hangTimeout)
	for s.role(1-m) != "master" || s.master() != 1-m {
		if time.Now().After(deadline) {
			return errors.New("the Sentinels do not have the replica take the master's place")
		}
		_ = sleep(context.WithoutCancel(s.ctx), 50*time.Millisecond)
	}
	if err := s.launchRedis(m, 1-m); err != nil {
		return err
	}
	return s.awaitRedis()
}

// startEmpty kills the master and starts it again at once, without what it had.
func (s *clusterSoak) startEmpty() error {
	if err := s.awaitRedis(); err != nil {
		return err
	}
	s.judge.setHarmed(true)
	m := s.master()
	s.redis[m].kill()
	if err := s.launchRedis(m, m); err != nil {
		return err
	}
	return s.awaitRedis()
}
