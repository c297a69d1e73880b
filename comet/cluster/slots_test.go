package cluster

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// clusterSlots is the number of slots of a Redis Cluster.
const clusterSlots = 16384

// slotOf returns the slot of a key.
func (s *redisServer) slotOf(t testing.TB, key string) int {
	t.Helper()
	slot, err := strconv.Atoi(s.must("CLUSTER", "KEYSLOT", key))
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

// startCluster starts a Redis Cluster of three masters.
func startCluster(t testing.TB, args ...string) (servers []*redisServer, ids []string) {
	t.Helper()
	ports := freePorts(t, 3)
	for _, port := range ports {
		servers = append(servers, startRedisOn(t, port, append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-config-file", "nodes.conf"}, args...)...))
	}
	for n, s := range servers {
		s.must("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(n*clusterSlots/3), strconv.Itoa((n+1)*clusterSlots/3-1))
		s.must("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(n+1))
		ids = append(ids, s.must("CLUSTER", "MYID"))
		if n > 0 {
			s.must("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(ports[0]))
		}
	}
	for _, s := range servers {
		waitFor(t, "the Cluster is whole", func() bool {
			info, err := s.do("CLUSTER", "INFO")
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return servers, ids
}

// TestSlots moves the slots of partitions to other masters under load.
func TestSlots(t *testing.T) {
	needsMuch(t)
	servers, ids := startCluster(t)
	nodes := []*testNode{startNode(t, 1, Config{Partitions: 4}, servers[0].url, servers[1].url), startNode(t, 1, Config{Partitions: 4}, servers[2].url, servers[0].url)}
	names := append([]string{"one", "two", "three", "four", "five"}, rooms...)
	followAll(nodes, names...)
	c := startCrowd(nodes, names...)
	for partition := range 4 {
		before := c.sent.Load()
		waitFor(t, "messages go on before partition "+strconv.Itoa(partition)+" is moved", func() bool { return c.sent.Load() > before+200 })
		slot := servers[0].must("CLUSTER", "KEYSLOT", fmt.Sprintf("{%d}", partition))
		from := 0
		for n, s := range servers {
			if mine, _ := s.do("CLUSTER", "COUNTKEYSINSLOT", slot); mine != "0" {
				from = n
			}
		}
		to := (from + 1) % 3
		servers[to].must("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[from])
		servers[from].must("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[to])
		waitFor(t, "all keys of partition "+strconv.Itoa(partition)+" are moved", func() bool {
			keys := strings.Fields(strings.Trim(servers[from].must("CLUSTER", "GETKEYSINSLOT", slot, "3"), "[]"))
			if len(keys) > 0 {
				servers[from].must(append([]string{"MIGRATE", "127.0.0.1", strconv.Itoa(servers[to].port), "", "0", "5000", "KEYS"}, keys...)...)
			}
			return len(keys) == 0
		})
		servers[to].must("CLUSTER", "SETSLOT", slot, "NODE", ids[to])
		servers[from].must("CLUSTER", "SETSLOT", slot, "NODE", ids[to])
	}
	within(t, "each message is answered", c.end)
	settle(t, nodes, names...)
	told, gaps, refused := verdict(t, nodes, names...)
	t.Logf("%d sent, %d told, %d refused, %d gaps, generation %d", c.sent.Load(), told, refused, gaps, nodes[0].Figures().Generation)
	if generation := nodes[0].Figures().Generation; generation < 2 {
		t.Errorf("generation %d: no partition was moved", generation)
	}
}
