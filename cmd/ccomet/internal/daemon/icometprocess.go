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

// iComet's own server locks nothing: only its number is in its pid file, and
// stays there when it is killed. Which process has the number now is told by what it runs,
// and by the configuration file that it was started with.

// icometProcess is the process of the number in a pid file that no process has
// locked, if it is iComet's server of a configuration file; 0 if it is no server,
// or one of this program, which would have locked its file. One that may be
// iComet's, but of another file, is an error.
func icometProcess(pidfile, text, config string) (int, error) {
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 0 || ProcessName(pid) != ICometName || sameProgram(pid) || IsZombie(pid) {
		return 0, nil
	}
	args := processArgs(pid)
	for _, arg := range args[min(1, len(args)):] {
		if isFileOf(pid, arg, config) {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("pidfile %s: process %d has its number, but is not seen to serve this configuration (%q): not touched: remove the pidfile if it was left behind",
		pidfile, pid, strings.Join(args, " "))
}

// isFileOf says whether an argument that an iComet was started with is a file.
// iComet changes to the directory of its file, so that a relative path is good
// for its last part only.
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

// ProcessName is a process's name as the kernel knows it, "" for none.
func ProcessName(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSuffix(string(text), "\n")
}

// IsZombie says whether a process has ended, and only waits for its parent to ask how.
func IsZombie(pid int) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	at := bytes.LastIndexByte(text, ')') // ends the name, which may have anything in it
	return at >= 0 && bytes.HasPrefix(text[at+1:], []byte(" Z"))
}

// processArgs is the command line of a process, the program's name first.
func processArgs(pid int) (args []string) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	for arg := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte{0}), []byte{0}) {
		args = append(args, string(arg))
	}
	return args
}

// sameProgram says whether a process runs this program, in whatever version and
// wherever that is installed.
func sameProgram(pid int) bool {
	mine, ok := debug.ReadBuildInfo()
	its, err := buildinfo.ReadFile(fmt.Sprintf("/proc/%d/exe", pid))
	return ok && err == nil && its.Path == mine.Path
}

// ICometName is the name that makes the program iComet's server.
const ICometName = "icomet-server"
