package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// examine lets the doctor check Redis alone, and returns the status and the text of each
// finding.
func examine(t *testing.T, env []string, args ...string) map[string]string {
	t.Helper()
	stdout, stderr, exit := runFor(t, env, append([]string{"doctor", "--json"}, args...)...)
	var d struct {
		Status string
		Checks []struct{ Name, Status, Have, Why string }
	}
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || (d.Status == "bad") != (exit == exitFailed) {
		t.Fatalf("%v, %d: %s %s", err, exit, stdout, stderr)
	}
	if strings.Contains(stdout+stderr, "hidden") {
		t.Errorf("a password is shown: %s%s", stdout, stderr)
	}
	found := map[string]string{}
	for _, c := range d.Checks {
		name := c.Name[strings.LastIndex(c.Name, ": ")+1:]
		found[strings.TrimSpace(name)] = c.Status + " " + c.Have + " " + c.Why
	}
	return found
}

// expectFindings compares the start and a part of each finding.
func expectFindings(t *testing.T, found map[string]string, want map[string][2]string) {
	t.Helper()
	for name, w := range want {
		if got := found[name]; !strings.HasPrefix(got, w[0]+" ") || !strings.Contains(got, w[1]) {
			t.Errorf("%s: %q, want %q", name, got, w)
		}
	}
}

// TestDoctorRedis: a real Redis with default settings, and with each harmful setting.
func TestDoctorRedis(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	well := examine(t, nil, "--redis", r.url())
	expectFindings(t, well, map[string][2]string{
		"version": {"ok", "Redis "}, "commands": {"ok", "may be"}, "maxmemory-policy": {"ok", "noeviction"},
		"persistence": {"warn", "none"}, "replicas": {"warn", "0 of 0 in sync"}, "clock": {"ok", "ahead"}, "prefix": {"ok", "is free"},
	})
	if _, there := well["round trip"]; !there || len(well) != 8 {
		t.Errorf("%v", well)
	}
	if keys := r.must("DBSIZE"); keys != ":0" {
		t.Errorf("the doctor leaves %s keys", keys)
	}
	r.must("CONFIG", "SET", "maxmemory", "64mb")
	r.must("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
	r.must("CONFIG", "SET", "appendonly", "yes")
	r.must("CONFIG", "SET", "min-replicas-to-write", "1")
	expectFindings(t, examine(t, nil, "--redis", r.url(), "--channels", "100000", "--message-bytes", "1000"), map[string][2]string{
		"maxmemory-policy": {"bad", "deletes numbers"}, "persistence": {"ok", "everysec"}, "replicas": {"bad", "refuses writes"}, "memory": {"bad", "64 MiB maxmemory"},
		"commands": {"bad", "NOREPLICAS"},
	})
	r.must("CONFIG", "SET", "min-replicas-to-write", "0")
	r.must("CONFIG", "SET", "appendfsync", "no")
	r.must("HSET", "ours:{0}g", "parts", "4", "gen", "2")
	r.must("SET", "ccomet:{0}g", "a text")
	expectFindings(t, examine(t, nil, "--redis", r.url(), "--redis-prefix", "ours:", "--redis-partitions", "4"), map[string][2]string{
		"prefix": {"ok", "4 partitions"}, "persistence": {"warn", "half a minute"},
	})
	expectFindings(t, examine(t, nil, "--redis", r.url(), "--redis-prefix", "ours:", "--redis-partitions", "1"), map[string][2]string{"prefix": {"bad", "does not start"}})
	expectFindings(t, examine(t, nil, "--redis", r.url()), map[string][2]string{"prefix": {"bad", "another program"}})
	// A replica cannot be published to; its master then has a replica.
	replica := newRedis(t, "--replicaof", strings.ReplaceAll(r.address, ":", " "))
	until(t, func() bool { return strings.Contains(r.must("INFO", "replication"), "state=online") })
	expectFindings(t, examine(t, nil, "--redis", replica.url()), map[string][2]string{"role": {"bad", "a replica of 127.0.0.1"}})
	expectFindings(t, examine(t, nil, "--redis", r.url()), map[string][2]string{"replicas": {"warn", "cut off"}})
	r.must("CONFIG", "SET", "min-replicas-to-write", "1")
	expectFindings(t, examine(t, nil, "--redis", r.url()), map[string][2]string{"replicas": {"ok", "1 of 1 in sync"}})
}

// TestDoctorRedisUnreached: the reason why Redis cannot be reached is named.
func TestDoctorRedisUnreached(t *testing.T) {
	t.Parallel()
	r := newRedis(t, "--requirepass", "hidden", "--user", "small", "on", ">hidden", "~other:*", "+@all")
	url := func(user string) string { return "redis://" + user + "@" + r.address }
	for text, want := range map[string]string{
		"redis://" + reserve(t): "refused",
		r.url():                 "does not accept the user",
		url(":hidden-too"):      "does not accept the user",
		"rediss://" + r.address: "does not use TLS",
	} {
		found := examine(t, nil, "--redis", text)
		if len(found) != 1 || !strings.Contains(strings.Join(mapValues(found), ""), want) {
			t.Errorf("%s: %v, want %s", text, found, want)
		}
	}
	// In the environment, a password is not visible in process lists.
	expectFindings(t, examine(t, []string{"CCOMET_REDIS=" + url(":hidden")}), map[string][2]string{"version": {"ok", ""}, "commands": {"ok", ""}})
	expectFindings(t, examine(t, nil, "--redis", url("small:hidden")), map[string][2]string{"commands": {"bad", "begin with ccomet:"}})
}

func mapValues(m map[string]string) (values []string) {
	for name, v := range m {
		values = append(values, name+" "+v)
	}
	return values
}

// TestDoctorRedisTLS: over TLS, with a private authority.
func TestDoctorRedisTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certText, keyText := certificate(t)
	for name, text := range map[string][]byte{cert: certText, key: keyText} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := reserve(t)
	_, port, _ := net.SplitHostPort(address)
	newRedis(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	expectFindings(t, examine(t, nil, "--redis", "rediss://"+address+"?ca="+cert), map[string][2]string{"version": {"ok", ""}, "commands": {"ok", ""}})
	for _, text := range []string{"rediss://" + address, "rediss://" + address + "?servername=other&ca=" + cert} {
		if found := mapValues(examine(t, nil, "--redis", text)); len(found) != 1 || !strings.Contains(found[0], "?ca=FILE") {
			t.Errorf("%s: %v", text, found)
		}
	}
	if found := mapValues(examine(t, nil, "--redis", "rediss://"+address+"?ca=/no/such/file")); len(found) != 1 || !strings.Contains(found[0], "/no/such/file") {
		t.Errorf("%v", found)
	}
}

// TestDoctorSentinels: the master is found, and each Sentinel is asked.
func TestDoctorSentinels(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	sentinel := newSentinel(t, r, "mine")
	url := "redis-sentinel://" + sentinel.address + "/mine"
	var found map[string]string
	untilOr(t, func() bool {
		found = examine(t, nil, "--redis", url)
		return strings.HasPrefix(found["version"], "ok")
	}, func() string { return strings.Join(mapValues(found), "\n") })
	expectFindings(t, found, map[string][2]string{"Sentinels": {"warn", "1 of 1 answer"}, "Sentinel " + sentinel.address: {"ok", "quorum for mine"}})
	found = examine(t, nil, "--redis", "redis-sentinel://"+sentinel.address+"/other")
	if len(found) != 1 {
		t.Errorf("an unknown master: %v", found)
	}
}

// TestDoctorRedisCluster: a Redis Cluster, and one without a master for some slots.
func TestDoctorRedisCluster(t *testing.T) {
	t.Parallel()
	_, bus, _ := net.SplitHostPort(reserve(t))
	r := newRedis(t, "--cluster-enabled", "yes", "--cluster-port", bus)
	r.must("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	state := func(want string) {
		t.Helper()
		untilOr(t, func() bool { return strings.Contains(r.must("CLUSTER", "INFO"), "cluster_state:"+want) }, func() string { return r.must("CLUSTER", "INFO") })
	}
	state("ok")
	expectFindings(t, examine(t, nil, "--redis", r.url()), map[string][2]string{"Redis Cluster": {"warn", "only named address"}, "commands": {"ok", "may be"}, "version": {"ok", ""}})
	r.must("CLUSTER", "DELSLOTS", "7")
	state("fail")
	expectFindings(t, examine(t, nil, "--redis", r.url()), map[string][2]string{"Redis Cluster": {"bad", "slots have no master"}})
}
