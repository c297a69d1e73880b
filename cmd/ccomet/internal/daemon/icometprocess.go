package daemon

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// iComet's own server does not lock its pid file, and leaves it behind when it is
// killed. So the process with that number is identified by its program and its
// configuration file.

// icometProcess returns the process of the number in an unlocked pid file, if it is
// iComet's server with this configuration file. It returns 0 if the process is
// another program, or this one, which would have locked the file. An iComet with
// another configuration file is an error.
func icometProcess(pidfile, text, config string) (int, error) {
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 0 || ProcessName(pid) != ICometName || sameProgram(pid) {
		return 0, nil
	}
	args := processArgs(pid)
	for _, arg := range args[min(1, len(args)):] {
		if isFileOf(pid, arg, config) {
			return pid, nil
		}
	}
	if HasEnded(pid) { // last, because it may have ended while it was looked at
		return 0, nil
	}
	return 0, fmt.Errorf("pidfile %s: process %d has its number, but does not seem to serve this configuration (%q): not stopped; remove the pidfile if it is stale",
		pidfile, pid, strings.Join(args, " "))
}

// isFileOf reports whether an argument of an iComet process is this file. iComet
// changes to the directory of its file, so only the last element of a relative path
// is valid.
func isFileOf(pid int, arg, name string) bool {
	path := fmt.Sprintf("/proc/%d/cwd/%s", pid, filepath.Base(arg))
	if filepath.IsAbs(arg) {
		path = fmt.Sprintf("/proc/%d/root%s", pid, arg)
	}
	its, err := os.Stat(path)
	if err != nil {
		return false
	}
	mine, err := os.Stat(name)
	return err == nil && os.SameFile(mine, its)
}

// ProcessName returns the kernel's name of a process, or "" if there is none.
func ProcessName(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSuffix(string(text), "\n")
}

// HasEnded reports whether a process has ended, also if its parent has not waited for
// it yet.
func HasEnded(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	at := bytes.LastIndexByte(text, ')') // the end of the name, which may contain any bytes
	return err != nil || bytes.HasPrefix(text[at+1:], []byte(" Z"))
}

// processArgs returns the command line of a process, including the program's name.
func processArgs(pid int) (args []string) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	for arg := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte{0}), []byte{0}) {
		args = append(args, string(arg))
	}
	return args
}

// sameProgram reports whether a process runs this program, in any version and at
// any path.
func sameProgram(pid int) bool {
	mine, ok := debug.ReadBuildInfo()
	its, err := buildinfo.ReadFile(fmt.Sprintf("/proc/%d/exe", pid))
	return ok && err == nil && its.Path == mine.Path
}

// ICometName is the program name that selects iComet's command line.
const ICometName = "icomet-server"
