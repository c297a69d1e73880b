package cluster

import (
	"flag"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var clusterFailovers = flag.Int("clusterfailovers", 2, "how often a master of a Redis Cluster is killed in the test of that")

// startSix starts a Redis Cluster of three masters, each with a replica: that of server n is server n+3.
func startSix(t testing.TB) (servers []*redisServer) {
	t.Helper()
	servers, ids := startCluster(t, "--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0")
	for n, port := range freePorts(t, 3) {
		r := startRedisOn(t, port, servers[n].more...)
		servers = append(servers, r)
		r.must("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(servers[0].port))
		waitFor(t, "the replica knows its master", func() bool {
			_, err := r.do("CLUSTER", "REPLICATE", ids[n])
			return err == nil
		})
	}
	for n := range 3 {
		inStep(t, servers[3+n])
	}
	for _, s := range servers {
		waitFor(t, "all know of all", func() bool {
			info, err := s.do("CLUSTER", "INFO")
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:6")
		})
	}
	return servers
}

func inStep(t testing.TB, replica *redisServer) {
	t.Helper()
	waitFor(t, "a replica is in step", func() bool { return replica.is("master_link_status:up") })
}

// TestClusterFailover kills masters of a Redis Cluster at random moments while their replicas lag and
// take over: no number is given twice, and no message is lost without a gap.
func TestClusterFailover(t *testing.T) {
	needsMuch(t)
	servers := startSix(t)
	cfg := Config{Partitions: 4}
	nodes := []*testNode{startNode(t, 1, cfg, servers[0].url, servers[1].url), startNode(t, 1, cfg, servers[2].url, servers[3].url), startNode(t, 1, cfg, servers[4].url, servers[5].url)}
	names := append([]string{"one", "two", "three", "four", "five"}, rooms...)
	followAll(nodes, names...)
	c := startCrowd(nodes, names...)
	for round := range *clusterFailovers {
		before := c.sent.Load()
		waitFor(t, "messages go on", func() bool { return c.sent.Load() > before+200 })
		n := rand.IntN(3)
		if round == 0 {
			n = servers[0].slotOf(t, "{0}") * 3 / clusterSlots // the master that has partition 0
		}
		master, replica := servers[n], servers[3+n]
		replica.freeze(master)
		before = c.sent.Load()
		late := time.Now().Add(time.Duration(rand.IntN(400)) * time.Millisecond)
		waitFor(t, "the replica lags", func() bool { return c.sent.Load() > before+int64(rand.IntN(200)) || time.Now().After(late) })
		master.kill()
		replica.signal(syscall.SIGCONT)
		waitFor(t, "the replica takes the master's place", func() bool { return replica.is("role:master") })
		master.start() // as a replica: the cluster tells it so
		servers[n], servers[3+n] = replica, master
		inStep(t, master)
		waitFor(t, "the nodes are ready", func() bool {
			return nodes[0].Away() == nil && nodes[1].Away() == nil && nodes[2].Away() == nil
		})
		told, gaps, refused := verdict(t, nodes, names...)
		t.Logf("failover %d: generation %d, %d told, %d refused, %d gaps, compared %d times", round+1, nodes[0].Figures().Generation, told, refused, gaps, nodes[0].Figures().Compared)
		if t.Failed() {
			break
		}
	}
	c.end()
	settle(t, nodes, names...)
	told, gaps, refused := verdict(t, nodes, names...)
	t.Logf("%d sent, %d told, %d refused, %d gaps", c.sent.Load(), told, refused, gaps)
	if gaps == 0 {
		t.Error("no gaps: no master lacked anything, and nothing was tried")
	}
}
