package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed nginx.conf
var nginxConfig string

// writeNginx writes nginx's configuration.
func (c *cluster) writeNginx(control string) error {
	var servers, names strings.Builder
	for _, n := range c.nodes {
		fmt.Fprintf(&servers, "\t\tserver %s max_fails=1 fail_timeout=1s;\n", n.front)
		fmt.Fprintf(&names, "\t\t\"~%s$\" %s;\n", strings.ReplaceAll(n.front, ".", `\.`), n.name) // the node that was asked last
	}
	text := strings.NewReplacer("{{servers}}\n", servers.String(), "{{names}}\n", names.String(), "{{front}}", c.front, "{{control}}", control).Replace(nginxConfig)
	return os.WriteFile(filepath.Join(c.dir, "nginx.conf"), []byte(text), 0o600)
}
