package main

import (
	"bufio"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"ccomet/demo"
)

//go:embed page
var page embed.FS

// handler serves the page, the state of all processes, and the switches.
func (c *cluster) handler() http.Handler {
	mux := http.NewServeMux()
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // cannot fail: the files are part of the program
	}
	mux.Handle("GET /cluster/", http.StripPrefix("/cluster/", http.FileServerFS(files)))
	for _, p := range demo.Pages() { // files that the page shares with others, for when no node runs
		if p.Path == "/demo/site.css" || p.Path == "/demo/icon.svg" {
			mux.HandleFunc("GET /cluster"+p.Path[len("/demo"):], func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", p.ContentType)
				_, _ = w.Write(p.Body)
			})
		}
	}
	mux.HandleFunc("GET /cluster/state", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(c.state())
	})
	mux.HandleFunc("POST /cluster/switch", c.turn)
	mux.HandleFunc("POST /cluster/publish", c.publish)
	// A page of another site cannot set the header without a CORS preflight, which is not answered.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.Header.Get("X-Cluster-Demo") == "" {
			http.Error(w, "want the header X-Cluster-Demo", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// turn performs the requested action on a process.
func (c *cluster) turn(w http.ResponseWriter, r *http.Request) {
	var m *member
	for _, known := range append(c.members(), c.redis) {
		if known.name == r.FormValue("name") {
			m = known
		}
	}
	if m == nil {
		http.Error(w, "there is no process of that name", http.StatusNotFound)
		return
	}
	var err error
	switch r.FormValue("to") {
	case "start":
		err = m.start()
	case "stop":
		err = m.stop(syscall.SIGTERM)
	case "kill":
		err = m.stop(syscall.SIGKILL)
	case "freeze":
		err = m.freeze(true)
	case "thaw":
		err = m.freeze(false)
	default:
		http.Error(w, "want to=start, stop, kill, freeze or thaw", http.StatusBadRequest)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// publish publishes at a node, and passes its answer on.
func (c *cluster) publish(w http.ResponseWriter, r *http.Request) {
	for _, n := range c.nodes {
		if n.name == r.FormValue("node") {
			status, text := n.push(r.FormValue("content"))
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
			return
		}
	}
	http.Error(w, "there is no node of that name", http.StatusNotFound)
}

// clusterState is the information on the page.
type clusterState struct {
	Redis     redisState  `json:"redis"`
	Nodes     []nodeState `json:"nodes"`
	Published int64       `json:"published"`
	Refused   int64       `json:"refused"`
	Last      string      `json:"last"` // the last refusal
}

type redisState struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Keys   int64  `json:"keys"`
	Memory int64  `json:"memory"` // bytes
}

type nodeState struct {
	Name  string          `json:"name"`
	State string          `json:"state"`
	Front string          `json:"front"`
	Ready string          `json:"ready"` // answer of /readyz
	Stats json.RawMessage `json:"stats,omitempty"`
}

// state asks all processes concurrently, because a frozen one does not answer.
func (c *cluster) state() (s clusterState) {
	s.Nodes = make([]nodeState, len(c.nodes))
	var asked sync.WaitGroup
	for i, n := range c.nodes {
		s.Nodes[i] = nodeState{Name: n.name, State: n.state(), Front: n.front}
		if s.Nodes[i].State == "runs" {
			asked.Go(func() {
				s.Nodes[i].Ready = strings.TrimSpace(ask("http://" + n.admin + "/readyz"))
				if text := ask("http://" + n.admin + "/stats"); json.Valid([]byte(text)) {
					s.Nodes[i].Stats = json.RawMessage(text)
				}
			})
		}
	}
	s.Redis = redisState{Name: c.redis.name, State: c.redis.state()}
	if s.Redis.State == "runs" {
		asked.Go(func() { s.Redis.Keys, s.Redis.Memory = askRedis(c.redis.address) })
	}
	asked.Wait()
	s.Published, s.Refused, s.Last = c.ticker.counts()
	return s
}

var client = &http.Client{Timeout: 3 * time.Second}

func ask(url string) string {
	resp, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return string(text)
}

// askRedis returns the number of keys, and their memory.
func askRedis(address string) (keys, memory int64) {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return 0, 0
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprint(c, "DBSIZE\r\nINFO memory\r\nQUIT\r\n")
	for lines := bufio.NewScanner(c); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if text, is := strings.CutPrefix(line, ":"); is {
			keys, _ = strconv.ParseInt(text, 10, 64)
		} else if text, is := strings.CutPrefix(line, "used_memory:"); is {
			memory, _ = strconv.ParseInt(text, 10, 64)
		}
	}
	return keys, memory
}
