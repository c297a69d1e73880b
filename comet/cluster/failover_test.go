package cluster

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var failovers = flag.Int("failovers", 2, "how often the master is killed in the tests of failovers")

// needsMuch skips a test that runs many programs or takes seconds, if only quick tests are to run
// ("make check").
func needsMuch(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("left out of the quick tests")
	}
}

// startRedisOn starts a Redis server on a port.
func startRedisOn(t testing.TB, port int, args ...string) *redisServer {
	t.Helper()
	dir := shortDir(t)
	s := &redisServer{t: t, name: "redis-server", dir: dir, port: port, url: "redis://127.0.0.1:" + strconv.Itoa(port), more: args}
	s.args = append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir", dir, "--enable-debug-command", "yes"}, args...)
	s.start()
	return s
}

// freePorts reserves ports for this test until it ends, and for each the port of its Redis Cluster bus,
// which is 10,000 higher. They are below the ports that the kernel gives to connections.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	const least, most = 10000, 22000
	for from := rand.IntN(most - least); len(ports) < n; from++ {
		port := least + from%(most-least)
		if from > 2*(most-least) {
			t.Fatal("no free ports")
		}
		if one, err := holdPort(port); err == nil {
			t.Cleanup(func() { _ = unix.Close(one) })
			if other, err := holdPort(port + 10000); err == nil {
				t.Cleanup(func() { _ = unix.Close(other) })
				ports = append(ports, port)
			}
		}
	}
	return ports
}

// holdPort binds a port that is free. A server that sets SO_REUSEADDR, as Redis does, can still listen
// on it; a program that wants the port for itself cannot.
func holdPort(port int) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, err
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err != nil {
		_ = unix.Close(fd)
	}
	return fd, err
}

func (s *redisServer) signal(sig syscall.Signal) { _ = s.cmd.Process.Signal(sig) }

// startSentinels starts three Sentinels that watch a master.
func startSentinels(t testing.TB, master int) (url string) {
	t.Helper()
	ports := freePorts(t, 3)
	for _, port := range ports {
		dir := shortDir(t)
		conf := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %d 2\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 1000\nsentinel parallel-syncs main 1\n", port, dir, master)
		file := filepath.Join(dir, "sentinel.conf")
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		s := &redisServer{t: t, name: "redis-server", dir: dir, port: port, url: "redis://127.0.0.1:" + strconv.Itoa(port), args: []string{file, "--sentinel"}}
		s.start()
	}
	return fmt.Sprintf("redis-sentinel://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/main", ports[0], ports[1], ports[2])
}

// is reports whether the server's INFO about replication contains what: its role, or whether a replica
// is connected.
func (s *redisServer) is(what string) bool {
	info, err := s.do("INFO", "replication")
	return err == nil && strings.Contains(info, what)
}

// freeze stops a replica, and makes its master send it nothing more. What the master has sent before
// is there when the replica continues, and nothing after that.
func (s *redisServer) freeze(master *redisServer) {
	s.signal(syscall.SIGSTOP)
	master.must("CLIENT", "KILL", "TYPE", "replica")
}

// TestFailover kills the master at random moments while its replica lags, and the Sentinels promote
// the replica: no number is given twice, and no message is lost without a gap.
func TestFailover(t *testing.T) {
	needsMuch(t)
	ports := freePorts(t, 2)
	master := startRedisOn(t, ports[0], "--repl-diskless-sync-delay", "0")
	replica := startRedisOn(t, ports[1], "--replicaof", "127.0.0.1", strconv.Itoa(ports[0]), "--repl-diskless-sync-delay", "0")
	waitFor(t, "the replica is in step", func() bool { return replica.is("master_link_status:up") })
	url := startSentinels(t, ports[0])
	nodes := []*testNode{startNode(t, 1, Config{}, url), startNode(t, 1, Config{}, url), startNode(t, 1, Config{}, url)}
	followAll(nodes, rooms...)
	c := startCrowd(nodes, rooms...)
	for round := range *failovers {
		before := nodes[0].Figures().Published
		waitFor(t, "messages go on", func() bool { return nodes[0].Figures().Published > before+100 })
		replica.freeze(master)
		lag := nodes[0].Figures().Published + uint64(20+rand.IntN(200))
		waitFor(t, "the replica lags", func() bool { return nodes[0].Figures().Published >= lag })
		master.kill()
		replica.signal(syscall.SIGCONT)
		waitFor(t, "the Sentinels promote the replica", func() bool { return replica.is("role:master") })
		master, replica = replica, startRedisOn(t, master.port, "--replicaof", "127.0.0.1", strconv.Itoa(replica.port), "--repl-diskless-sync-delay", "0")
		waitFor(t, "the new replica is in step", func() bool { return replica.is("master_link_status:up") })
		waitFor(t, "the nodes are ready", func() bool {
			return nodes[0].Away() == nil && nodes[1].Away() == nil && nodes[2].Away() == nil
		})
		told, gaps, refused := verdict(t, nodes, rooms...)
		t.Logf("failover %d: generation %d, %d told, %d refused, %d gaps, compared %d times", round+1, nodes[0].Figures().Generation, told, refused, gaps, nodes[0].Figures().Compared)
		if t.Failed() {
			break
		}
	}
	c.end()
	settle(t, nodes, rooms...)
	told, gaps, refused := verdict(t, nodes, rooms...)
	t.Logf("%d sent, %d told, %d refused, %d gaps", c.sent.Load(), told, refused, gaps)
	if lost := nodes[0].Figures().Compared; gaps == 0 || lost == 0 {
		t.Errorf("%d gaps, compared %d times: no master lacked anything, and nothing was tried", gaps, lost)
	}
}

// TestPorts: a port that a test holds is free only for the servers of that test.
func TestPorts(t *testing.T) {
	port := freePorts(t, 1)[0]
	if fd, err := holdPort(port); err == nil {
		_ = unix.Close(fd)
		t.Error("another test has it as well")
	}
	s := startRedisOn(t, port)
	s.must("SET", "a", "1")
	s.kill()
	s.start()
}
