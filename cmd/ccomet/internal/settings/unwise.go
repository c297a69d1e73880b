package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ccomet/cmd/ccomet/internal/daemon"
	"ccomet/comet"
)

// Unwise returns settings that are valid but probably not intended.
func (s *Settings) Unwise() (list []Bad) {
	say := func(name, format string, args ...any) {
		list = append(list, Bad{name, fmt.Sprintf(format, args...)})
	}
	for _, address := range s.Admin {
		if open := len(s.AdminAllow)+len(s.AdminDeny) == 0; open && isPublic(address) {
			say("admin", "%s can be reached from other machines, and every client there may publish: listen on 127.0.0.1, or set admin-allow", address)
		}
		if slices.Contains(s.Front, address) && !strings.HasSuffix(address, ":0") {
			say("admin", "%s is also the front address: the server will not start", address)
		}
	}
	for _, side := range []struct {
		name        string
		allow, deny []string
	}{{"front", s.FrontAllow, s.FrontDeny}, {"admin", s.AdminAllow, s.AdminDeny}} {
		if len(side.deny) > 0 && len(side.allow) == 0 {
			say(side.name+"-deny", "without %s-allow every client is denied", side.name)
		}
	}
	if comet.Auth(s.Auth) == comet.AuthToken && s.State == "" {
		say("auth", "token without a state file: current tokens will not be valid after a restart")
	}
	if time.Duration(s.DrainTime) >= daemon.StopTimeout {
		say("drain-time", "is %v, and -s stop waits for %v: it will give up", s.DrainTime, daemon.StopTimeout)
	}
	if s.MaxMessage > s.ChannelBufferBytes && s.ChannelBufferSize > 0 {
		say("max-message", "is %d, and channel-buffer-bytes %d: the largest messages cannot be kept", s.MaxMessage, s.ChannelBufferBytes)
	}
	if s.LogRotateSize > 0 && s.LogOutput != "" && !s.LogsToFile() {
		say("log-rotate-size", "has no effect: log-output is not a file but %s", s.LogOutput)
	}
	for _, file := range []struct{ name, path string }{{"pidfile", s.Pidfile}, {"log-output", s.LogOutput}, {"state", s.State}} {
		if file.path == "" || file.name == "log-output" && !s.LogsToFile() {
			continue
		}
		if dir := filepath.Dir(file.path); !isDirectory(dir) {
			say(file.name, "%s is not a directory: create it before the server starts", dir)
		}
	}
	return list
}

// LogsToFile reports whether the log goes to a file and not to a standard stream.
func (s *Settings) LogsToFile() bool {
	return s.LogOutput != "" && s.LogOutput != "stdout" && s.LogOutput != "stderr"
}

// isPublic reports whether an address can be reached from other machines.
func isPublic(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return false
	}
	ap, err := ParseTCP(address)
	return err == nil && !ap.Addr().IsLoopback()
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
