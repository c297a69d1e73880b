package bench

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// clusterEvent is an event of a node, or of Redis.
type clusterEvent struct {
	name    string
	ofNodes bool
	happens func() error
}

// draw draws the next event. All random numbers are drawn here, because events run concurrently.
func (s *clusterSoak) draw(ofNodes bool) clusterEvent {
	pause, draw := time.Duration(s.random.Int64N(int64(2*time.Second))), s.random.IntN(1<<30)
	if ofNodes {
		return s.drawNode(s.nodes[s.random.IntN(len(s.nodes))], pause, draw)
	}
	switch s.random.IntN(12) {
	case 0:
		return clusterEvent{"Redis cuts all", false, func() error { return s.tell(s.master(), "CLIENT", "KILL", "TYPE", "normal") }}
	case 1:
		return clusterEvent{"Redis cuts all, again and again", false, func() error { return s.cutAgain(20) }}
	case 2:
		return clusterEvent{"Redis is frozen", false, func() error { return s.freeze(s.redis[s.master()], min(pause, 700*time.Millisecond)) }}
	case 3:
		return clusterEvent{"Redis sleeps", false, func() error {
			return s.tell(s.master(), "DEBUG", "SLEEP", fmt.Sprint(min(pause, 700*time.Millisecond).Seconds()))
		}}
	case 4:
		return clusterEvent{"Redis starts empty", false, s.startEmpty}
	case 5, 6:
		return clusterEvent{"failover with a lagging replica", false, func() error { return s.failOver(pause / 3) }}
	case 7:
		return clusterEvent{"failover by command", false, s.failOverByCommand}
	case 8:
		return clusterEvent{"the replica is ended", false, func() error { return s.endReplica(pause) }}
	case 9:
		return clusterEvent{"Redis is away", false, func() error { return s.away(2*time.Second + 3*pause) }}
	case 10:
		return clusterEvent{"a master that was frozen wakes", false, func() error { return s.wakeUp(pause) }}
	}
	return clusterEvent{"failover", false, func() error { return s.failOver(0) }}
}

// drawNode draws an event of a node.
func (s *clusterSoak) drawNode(node *server, pause time.Duration, draw int) clusterEvent {
	end := func(sig syscall.Signal) func() error {
		return func() error {
			_ = syscall.Kill(int(node.Process), sig)
			<-node.ended
			_ = sleep(s.ctx, pause)
			return s.launchNode(node, draw)
		}
	}
	switch s.random.IntN(8) {
	case 0:
		return clusterEvent{"node killed", true, end(syscall.SIGKILL)}
	case 1:
		return clusterEvent{"node stopped", true, end(syscall.SIGTERM)}
	case 2:
		return clusterEvent{"node frozen", true, func() error { return s.freeze(node, pause) }}
	case 3:
		return clusterEvent{"node frozen for long", true, func() error { return s.freeze(node, 4*pause) }}
	case 4, 5:
		return clusterEvent{"node upgraded", true, func() error { return s.upgradeNode(node) }}
	case 6:
		return clusterEvent{"burst", true, func() error { return s.burst(node, draw) }}
	}
	return clusterEvent{"clients leave", true, func() error {
		for n, c := range s.clients {
			if leave := c.leave.Load(); leave != nil && (n+draw)%2 == 0 {
				(*leave)()
			}
		}
		return nil
	}}
}

func (s *clusterSoak) freeze(what *server, pause time.Duration) error {
	_ = syscall.Kill(int(what.Process), syscall.SIGSTOP)
	_ = sleep(s.ctx, pause)
	return syscall.Kill(int(what.Process), syscall.SIGCONT)
}

// upgradeNode upgrades a node to the program on the disk. Nothing is excused by that, not even while
// Redis is away.
func (s *clusterSoak) upgradeNode(node *server) error {
	before, err := node.status(s.ctx)
	if err != nil {
		return err
	}
	_, err = node.upgrade(s.ctx, 1)
	switch {
	case err == nil || s.ctx.Err() != nil:
	case unix.Kill(before.PID, 0) != nil:
		return fmt.Errorf("the node has ended: %w: %s", err, node.log)
	default:
		s.faults.fault("an upgrade: %v", err)
	}
	return nil
}

// burst publishes many messages at once to few channels.
func (s *clusterSoak) burst(node *server, draw int) error {
	s.under.Add(1)
	defer s.under.Add(-1)
	var elements []batchElement
	for n := range 100 + draw%200 {
		elements = append(elements, s.newElement([]int{(draw + n%2) % soakClusterChannels}, false))
	}
	s.sendBatch(node, elements)
	return nil
}

// cutAgain makes Redis cut its connections repeatedly.
func (s *clusterSoak) cutAgain(times int) error {
	for range times {
		if err := s.tell(s.master(), "CLIENT", "KILL", "TYPE", "normal"); err != nil {
			return err
		}
		if err := sleep(s.ctx, 50*time.Millisecond); err != nil {
			return nil
		}
	}
	return nil
}

// endReplica kills the replica and starts it again.
func (s *clusterSoak) endReplica(pause time.Duration) error {
	if err := s.awaitRedis(); err != nil {
		return err
	}
	m := s.master()
	s.redis[1-m].kill()
	_ = sleep(s.ctx, pause)
	if err := s.launchRedis(1-m, m); err != nil {
		return err
	}
	return s.awaitRedis()
}

// away freezes master and replica, so that no other Redis can become the master.
func (s *clusterSoak) away(pause time.Duration) error {
	if err := s.awaitRedis(); err != nil {
		return err
	}
	s.judge.harm() // after they continue, the Sentinels may still replace the master
	defer s.judge.healed()
	for _, r := range s.redis {
		_ = syscall.Kill(int(r.Process), syscall.SIGSTOP)
	}
	_ = sleep(s.ctx, pause)
	for _, r := range s.redis {
		_ = syscall.Kill(int(r.Process), syscall.SIGCONT)
	}
	return s.awaitRedis()
}

// wakeUp freezes the master until the replica has replaced it. Then the old master continues, and
// believes to be the master until the Sentinels tell it.
func (s *clusterSoak) wakeUp(pause time.Duration) error {
	if err := s.awaitRedis(); err != nil {
		return err
	}
	s.judge.harm()
	defer s.judge.healed()
	m := s.master()
	_ = syscall.Kill(int(s.redis[m].Process), syscall.SIGSTOP)
	err := s.awaitMaster(1 - m)
	if err == nil {
		_ = sleep(context.WithoutCancel(s.ctx), pause)
	}
	_ = syscall.Kill(int(s.redis[m].Process), syscall.SIGCONT)
	if err != nil {
		return err
	}
	return s.awaitRedis()
}
