// Command cluster demonstrates several servers that share channels. It starts a Redis, three nodes and an nginx in
// front of them on this machine. Its page shows which node the browser uses and what each node holds, and can stop
// and start them. "make cluster" runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// nodes is the number of nodes.
const nodes = 3

// cluster is the set of all processes.
type cluster struct {
	dir    string
	front  string // nginx's address
	redis  *member
	nodes  []*node
	nginx  *member
	ticker ticker
}

// node is one of the servers.
type node struct {
	*member
	front, admin string
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8088", "the address of nginx, at which everything is; port 0 takes a free port")
	program := flag.String("ccomet", "bin/ccomet", "the server's program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *program, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// run runs everything until ctx is done.
func run(ctx context.Context, listen, program string, out io.Writer) (err error) {
	c := new(cluster)
	if c.dir, err = os.MkdirTemp("", "ccomet-cluster"); err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	if err := os.Chmod(c.dir, 0o711); err != nil { // nginx's workers run as another user
		return err
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer control.Close()
	if c.front, err = freeUnless(listen); err != nil {
		return err
	}
	if err := c.plan(program, control.Addr().String()); err != nil {
		return err
	}
	all := append([]*member{c.redis}, c.members()...)
	all = append(all, c.nginx)
	defer func() {
		for i := range all { // nginx first, Redis last
			err = errors.Join(err, all[len(all)-1-i].stop(syscall.SIGTERM))
		}
	}()
	for _, m := range all {
		if err := m.start(); err != nil {
			return err
		}
	}
	server := &http.Server{Handler: c.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(control) }()
	defer server.Close()
	if err := c.await(ctx); err != nil {
		return err
	}
	c.printAddresses(out)
	c.ticker.run(ctx, c.nodes)
	return nil
}

// plan finds the programs, and determines how each process is started.
func (c *cluster) plan(program, control string) error {
	redisPath, err := find("redis-server", "redis-server")
	if err != nil {
		return err
	}
	nginxPath, err := find("nginx", "nginx", "/usr/sbin/nginx")
	if err != nil {
		return err
	}
	if program, err = filepath.Abs(program); err != nil {
		return err
	}
	redis, err := freeUnless("127.0.0.1:0")
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(redis)
	c.redis = newMember(c.dir, "redis", redis, redisPath, "--port", port, "--bind", "127.0.0.1", "--dir", c.dir, "--save", "", "--appendonly", "yes")
	for i := range nodes {
		n := new(node)
		if n.front, err = freeUnless("127.0.0.1:0"); err != nil {
			return err
		}
		if n.admin, err = freeUnless("127.0.0.1:0"); err != nil {
			return err
		}
		name := fmt.Sprintf("node-%d", i+1)
		n.member = newMember(c.dir, name, n.front, program, "serve", "--redis", "redis://"+redis, "--node", name,
			"--front", n.front, "--admin", n.admin, "--demo", "--drain-time", "1", "--polling-timeout", "10", "--loops", "1")
		c.nodes = append(c.nodes, n)
	}
	if err := c.writeNginx(control); err != nil {
		return err
	}
	c.nginx = newMember(c.dir, "nginx", c.front, nginxPath, "-p", c.dir, "-e", "nginx.log", "-c", "nginx.conf", "-g", "daemon off;")
	return nil
}

func (c *cluster) members() (list []*member) {
	for _, n := range c.nodes {
		list = append(list, n.member)
	}
	return list
}

// find returns the path of a program, or an error that names its Debian package.
func find(name string, where ...string) (string, error) {
	for _, path := range where {
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("there is no %s on this machine: apt-get install %s", name, name)
}

// freeUnless returns an address in which port 0 is replaced by a free port.
func freeUnless(address string) (string, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// await waits until all processes listen.
func (c *cluster) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, m := range append(c.members(), c.redis, c.nginx) {
		for !m.listens() {
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s does not start: %s", m.name, m.lastWords())
			case <-time.After(20 * time.Millisecond):
			}
			if !m.runs() {
				return fmt.Errorf("%s has ended: %s", m.name, m.lastWords())
			}
		}
	}
	return nil
}

func (c *cluster) printAddresses(out io.Writer) {
	fmt.Fprintf(out, "\n  %-10s http://%-24s the nodes and Redis, with buttons to stop them\n", "cluster", c.front+"/cluster/")
	fmt.Fprintf(out, "  %-10s http://%-24s through nginx, at any node\n", "chat", c.front+"/")
	for _, n := range c.nodes {
		fmt.Fprintf(out, "  %-10s http://%-24s at %s\n", "", n.front+"/", n.name)
	}
	fmt.Fprint(out, "\n  Ctrl-C stops all of them.\n\n")
}
