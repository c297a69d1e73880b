package main

import (
	"testing"
)

// TestEmptyVariables: an empty variable counts as unset, and lists may contain spaces.
func TestEmptyVariables(t *testing.T) {
	p := serving(t, command([]string{"CCOMET_FRONT= 127.0.0.1:0 , [::1]:0", "CCOMET_ADMIN=127.0.0.1:0 ", "CCOMET_AUTH=", "CCOMET_MAX_CHANNELS=",
		"CCOMET_ADMIN_ALLOW= 127.0.0.1, 10. ", "CCOMET_SECRET=", "CCOMET_LOG_OUTPUT="}, "serve"))
	if n := len(p.serving["front"].([]any)); n != 2 {
		t.Errorf("it listens on %v", p.serving["front"])
	}
	p.push("a", "b")
}

// TestHealthBehindProxyProtocol: health sends a PROXY header to a server that requires one.
func TestHealthBehindProxyProtocol(t *testing.T) {
	p := start(t, nil, "--proxy-protocol", "admin", "--trusted-proxy", "127.0.0.1")
	for _, args := range [][]string{{"health", "--admin", p.admin}, {"health", "--ready", "--admin", " " + p.admin + " "}} {
		if stdout, stderr, status := runFor(t, nil, args...); status != 0 {
			t.Errorf("%s: status %d: %s%s", args, status, stdout, stderr)
		}
	}
}
