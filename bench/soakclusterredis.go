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

// launchRedis starts a Redis, as the master or as the replica of master.
func (s *clusterSoak) launchRedis(i, master int) error {
	more := []string{"--save", "", "--repl-diskless-sync-delay", "0", "--enable-debug-command", "yes"}
	if i != master {
		more = append(more, "--replicaof", strings.ReplaceAll(s.redis[master].front, ":", " "))
	}
	return s.redis[i].launch(context.WithoutCancel(s.ctx), more...)
}

// master returns which Redis is the master according to the Sentinels.
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

// tell executes a command on a Redis.
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

// role returns "master", "in step" for a replica that is connected to its master, "behind", or ""
// without an answer.
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

// contented reports whether all Sentinels agree on the master and none is about to replace it.
func (s *clusterSoak) contented(master int) bool {
	for _, sentinel := range s.sentinels {
		c, err := dialRedis(sentinel.front)
		if err != nil {
			return false
		}
		_ = c.SetDeadline(time.Now().Add(time.Second))
		words, err := c.words("SENTINEL", "MASTER", soakMaster)
		c.Close()
		known := map[string]string{}
		for n := 0; n+1 < len(words); n += 2 {
			known[words[n]] = words[n+1]
		}
		// With other flags, the master is down for some Sentinels, or a failover is under way, as it
		// may be even when the master is back.
		if err != nil || known["flags"] != "master" || known["num-slaves"] != "1" || known["ip"]+":"+known["port"] != s.redis[master].front {
			return false
		}
	}
	return true
}

// awaitRedis waits until one Redis is the master, also for the Sentinels, and the other is in step.
func (s *clusterSoak) awaitRedis() error {
	deadline := time.Now().Add(hangTimeout)
	for {
		m := s.master()
		if s.role(m) == "master" && s.role(1-m) == "in step" && s.contented(m) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("there is no master with a replica: %s is %q, %s is %q", s.redis[0].front, s.role(0), s.redis[1].front, s.role(1))
		}
		_ = sleep(context.WithoutCancel(s.ctx), 100*time.Millisecond)
	}
}

// failOver kills the master, and waits until the replica has replaced it. Then it starts the old master
// again as a replica. A replica that lags before the failover lacks the last messages.
func (s *clusterSoak) failOver(lag time.Duration) error {
	if err := s.awaitRedis(); err != nil {
		return err
	}
	s.judge.harm()
	defer s.judge.healed()
	m := s.master()
	old, other := s.redis[m], s.redis[1-m]
	if lag > 0 {
		_ = syscall.Kill(int(other.Process), syscall.SIGSTOP)
		_ = sleep(s.ctx, lag)
	}
	old.kill()
	if lag > 0 {
		_ = syscall.Kill(int(other.Process), syscall.SIGCONT)
	}
	if err := s.awaitMaster(1 - m); err != nil {
		return err
	}
	if err := s.launchRedis(m, 1-m); err != nil {
		return err
	}
	return s.awaitRedis()
}

// awaitMaster waits until the replica has become the master.
func (s *clusterSoak) awaitMaster(i int) error {
	deadline := time.Now().Add(hangTimeout)
	for s.role(i) != "master" || s.master() != i {
		if time.Now().After(deadline) {
			return errors.New("the Sentinels do not have the replica take the master's place")
		}
		_ = sleep(context.WithoutCancel(s.ctx), 50*time.Millisecond)
	}
	return nil
}

// failOverByCommand makes a Sentinel promote the replica while the master runs. The Sentinel gives up
// if the replica does not become the master in time.
func (s *clusterSoak) failOverByCommand() error {
	if err := s.awaitRedis(); err != nil {
		return err
	}
	s.judge.harm()
	defer s.judge.healed()
	c, err := dialRedis(s.sentinels[0].front)
	if err != nil {
		return err
	}
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	_, err = c.do("SENTINEL", "FAILOVER", soakMaster)
	c.Close()
	if err != nil {
		return nil // a failover is under way, or the Sentinel does not know the replica yet
	}
	return s.awaitRedis()
}

// startEmpty kills the master and starts it again at once, without its data.
func (s *clusterSoak) startEmpty() error {
	if err := s.awaitRedis(); err != nil {
		return err
	}
	s.judge.harm()
	defer s.judge.healed()
	m := s.master()
	s.redis[m].kill()
	if err := s.launchRedis(m, m); err != nil {
		return err
	}
	return s.awaitRedis()
}
