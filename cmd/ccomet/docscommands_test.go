package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// benchProgram builds ccomet-bench once, and returns its path.
func benchProgram(t *testing.T) string {
	t.Helper()
	path, err := buildBench()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildBench = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(program), "ccomet-bench")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../ccomet-bench").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building ccomet-bench: %w\n%s", err, out)
	}
	return path, nil
})

// TestDocumentsCommands runs the code blocks of the documents. In an "sh" block each command
// must succeed. In a "console" block the commands after "$ " must print the lines below them,
// in which "…" matches anything. A chapter is run from start to end in a temporary directory
// that stands for the machine: the default addresses are replaced by free ones, and
// /usr/local/bin, /run and /etc/nginx are in it.
func TestDocumentsCommands(t *testing.T) {
	t.Parallel()
	needsMuch(t)
	played := 0
	for _, d := range documents(t) {
		var sections []string
		chapters := map[string][]block{}
		for _, b := range d.blocks {
			if b.kind == "sh" || b.kind == "console" {
				if chapters[b.section] == nil {
					sections = append(sections, b.section)
				}
				chapters[b.section] = append(chapters[b.section], b)
			}
		}
		for _, section := range sections {
			played++
			t.Run(d.name+" "+section, func(t *testing.T) {
				t.Parallel()
				s := newStage(t)
				for _, b := range chapters[section] {
					for _, c := range commandsOf(b) {
						s.play(c)
					}
				}
				s.end()
			})
		}
	}
	if played < 8 {
		t.Errorf("only %d chapters have commands", played)
	}
}

// shown is a command with its expected lines; nil if the document shows none.
type shown struct {
	command string
	lines   []string
}

func commandsOf(b block) []shown {
	var found []shown
	for _, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
		if b.kind == "sh" {
			line, _, _ = strings.Cut(line, "  #")
			found = append(found, shown{command: strings.TrimSpace(line)})
		} else if command, is := strings.CutPrefix(line, "$ "); is {
			found = append(found, shown{command: command, lines: []string{}})
		} else if n := len(found); n > 0 {
			found[n-1].lines = append(found[n-1].lines, line)
		}
	}
	return found
}

// stage is the environment of a chapter.
type stage struct {
	t         *testing.T
	dir       string
	env       []string
	server    *process
	proxy     *proxy   // nil if the chapter has none
	replace   []string // pairs: text in the document, and its replacement here
	following []*follower
}

// follower is a command that does not end by itself.
type follower struct {
	shown
	out  *io.PipeReader
	cmd  *exec.Cmd
	read int // printed lines already read
	text []byte
}

func newStage(t *testing.T) *stage {
	if _, err := exec.LookPath("curl"); err != nil {
		leaveOut(t, "no curl here: the commands of the documents are not run")
	}
	dir := t.TempDir()
	s := &stage{t: t, dir: dir, env: []string{"PATH=" + dir + "/usr/local/bin:" + filepath.Dir(program) + ":" + os.Getenv("PATH")}}
	for _, folder := range []string{"bin", "usr/local/bin", "run/ccomet"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bin/ccomet", "usr/local/bin/ccomet"} {
		if err := os.Symlink(program, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s.file("icomet.conf", confHead+"admin:\n\tlisten: 127.0.0.1:0\nfront:\n\tlisten: 127.0.0.1:0\n")
	s.replace = []string{"/usr/local/bin", dir + "/usr/local/bin"}
	return s
}

func (s *stage) file(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// here returns a command of a document with its replacements.
func (s *stage) here(command string) string {
	for i := 0; i < len(s.replace); i += 2 {
		command = strings.ReplaceAll(command, s.replace[i], s.replace[i+1])
	}
	return command
}

var (
	assignment = regexp.MustCompile(`^(\w+)=(\$\(.*\))$`)
	measuring  = regexp.MustCompile(`^bin/ccomet-bench (.*)$`)
)

// play runs one command.
func (s *stage) play(c shown) {
	s.t.Helper()
	if strings.Contains(c.command, "127.0.0.1:6379") && !slices.Contains(s.replace, "127.0.0.1:6379") {
		s.replace = append(s.replace, "127.0.0.1:6379", newRedis(s.t).address)
	}
	first, _, _ := strings.Cut(c.command, " ")
	switch {
	case first == "make":
		s.make(c.command)
	case first == "apt-get", first == "docker": // changes the machine, or needs containers
	case strings.HasPrefix(c.command, "go test "): // runs all tests
		s.must("cd " + root + " && go list ./... > /dev/null && grep -rql 'func Test.*Alloc' --include=*_test.go .")
	case first == "git":
		if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
			from, _ := filepath.Abs(root)
			s.must(strings.ReplaceAll(c.command, "<this repository>", "'"+from+"'"))
		}
	case measuring.MatchString(c.command): // takes minutes; only its flags are checked, with --help
		s.must(benchProgram(s.t) + " " + strings.ReplaceAll(measuring.FindStringSubmatch(c.command)[1], " bench/", " "+root+"/bench/") + " --help > /dev/null")
	case strings.HasPrefix(c.command, "ccomet serve"):
		s.serve(c.command)
	case strings.HasPrefix(c.command, "curl -N"):
		s.begin(c)
	case assignment.MatchString(c.command):
		m := assignment.FindStringSubmatch(c.command)
		s.needServer(m[2])
		s.env = append(s.env, m[1]+"="+s.must(`printf %s "`+s.here(m[2])+`"`))
	case strings.HasPrefix(c.command, "ccomet doctor"): // it returns 1 on a small machine
		s.needServer(c.command)
		wait := ""
		if strings.Contains(c.command, "--through") {
			wait = " --wait 1" // else it waits up to half a minute for a heartbeat
		}
		s.finds(s.must(s.here(c.command) + wait + " || [ $? = 1 ]"))
	default:
		s.needServer(c.command)
		s.prints(c, s.must(s.here(c.command)))
	}
}

// must runs a command that must succeed, and returns its output.
func (s *stage) must(command string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), hangTimeout)
	defer cancel()
	cmd := s.shell(ctx, command)
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s%s", command, err, out, stderr.String())
	}
	return string(out)
}

func (s *stage) shell(ctx context.Context, text string) *exec.Cmd {
	root, _ := filepath.Abs(root)
	cmd := exec.CommandContext(ctx, "bash", "-euc", strings.ReplaceAll(text, "../..", root))
	cmd.Dir = s.dir
	cmd.Env = append(command(nil).Env, s.env...)
	return cmd
}

// make checks that make knows a task and its variables. "make run" is started.
func (s *stage) make(command string) {
	s.t.Helper()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		s.t.Fatal(err)
	}
	task, rest, _ := strings.Cut(strings.TrimPrefix(command, "make "), " ")
	variable, _, _ := strings.Cut(rest, "=")
	if !strings.Contains(string(makefile), "\n"+task+":") || !strings.Contains(string(makefile), "$("+variable) {
		s.t.Errorf("the Makefile has not all of %s", command)
	}
	if task == "run" {
		out := strings.TrimSpace(s.must("cd " + root + " && MAKEFLAGS= make --no-print-directory --dry-run run"))
		last := strings.NewReplacer("bin/ccomet", "ccomet", " --log-format console", "").Replace(out[strings.LastIndex(out, "\n")+1:]) // a program reads the log here
		s.serve(regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(last, "127.0.0.1:0"))
	}
}

// serve starts a server by a document's command, on free ports.
func (s *stage) serve(command string) {
	s.t.Helper()
	if strings.Contains(command, "unix:/run/ccomet/front.sock") {
		s.proxy = newProxy(s.t)
		s.replace = append(s.replace, "unix:/run/ccomet/front.sock", s.proxy.socket())
	}
	ccomet := strings.Contains(command, "--ccomet 127.0.0.1:8081")
	args := strings.Fields(strings.ReplaceAll(s.here(command), "127.0.0.1:8081", "127.0.0.1:0"))[1:]
	for _, side := range []string{"--front", "--admin"} {
		if !slices.Contains(args, side) {
			args = append(args, side, "127.0.0.1:0")
		}
	}
	cmd := s.shell(context.Background(), "")
	cmd.Path, cmd.Args = program, append([]string{program}, args...)
	s.server = serving(s.t, cmd)
	s.replace = append(s.replace, "127.0.0.1:8100", s.server.front, "127.0.0.1:8000", s.server.admin)
	if ccomet {
		s.replace = append(s.replace, "127.0.0.1:8081", s.server.address("ccomet"))
	}
	s.env = append(s.env, "CCOMET_ADMIN="+s.server.admin, "CCOMET_FRONT="+s.server.front)
	if s.proxy != nil {
		s.proxy.start(s.server.front)
		s.replace = append(s.replace, "https://www.example.com", "https://"+s.proxy.current,
			"/etc/nginx/nginx.conf", s.proxy.dir+"/nginx.conf", "nginx -", s.proxy.path+" -p "+s.proxy.dir+" -e error.log -")
		s.env = append(s.env, "SSL_CERT_FILE="+s.proxy.dir+"/cert.pem", "CURL_CA_BUNDLE="+s.proxy.dir+"/cert.pem")
	}
}

// needServer starts a server without settings, for a command that needs one.
func (s *stage) needServer(command string) {
	s.t.Helper()
	if s.server == nil && (strings.Contains(command, "127.0.0.1:8") || strings.Contains(command, "ccomet health")) {
		s.serve("ccomet serve")
	}
}

// begin starts a command that does not end, and waits for its first line.
func (s *stage) begin(c shown) {
	s.t.Helper()
	s.needServer(c.command)
	ctx, cancel := context.WithTimeout(s.t.Context(), hangTimeout)
	s.t.Cleanup(cancel)
	r := &follower{shown: c, cmd: s.shell(ctx, "exec "+s.here(c.command)+" --silent --show-error")}
	out, in := io.Pipe()
	r.out, r.cmd.Stdout, r.cmd.Stderr, r.cmd.WaitDelay = out, in, in, time.Second
	if err := r.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { in.CloseWithError(fmt.Errorf("it ended: %v", r.cmd.Wait())) }()
	s.following = append(s.following, r)
	s.follow(r, 1)
}

// follow waits until a command has printed n lines.
func (s *stage) follow(r *follower, n int) {
	s.t.Helper()
	for buf := make([]byte, 1); r.read < n; {
		if _, err := io.ReadFull(r.out, buf); err != nil {
			s.t.Fatalf("%s: after %q: %v", r.command, r.text, err)
		}
		r.text = append(r.text, buf[0])
		r.read += bytes.Count(buf, []byte("\n"))
	}
}

// end waits for the remaining output of endless commands, and ends them.
func (s *stage) end() {
	s.t.Helper()
	for _, r := range s.following {
		s.follow(r, len(r.lines))
		s.prints(r.shown, string(r.text))
		_ = r.cmd.Process.Signal(syscall.SIGTERM)
	}
	if s.following != nil { // give nginx time to notice
		s.server.waits(s.t, 0, "")
	}
}

// prints compares a command's output with the document.
func (s *stage) prints(c shown, out string) {
	s.t.Helper()
	if c.lines == nil {
		return
	}
	want := ""
	for _, line := range c.lines {
		want += line + "\n"
	}
	if c.lines != nil && !strings.HasSuffix(out, "\n") && out != "" {
		out += "\n"
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(s.here(want)), "…", "[^\n]*")
	if !regexp.MustCompile("^" + pattern + "$").MatchString(out) {
		s.t.Errorf("%s prints\n%s\nThe document has\n%s", c.command, out, want)
	}
}

// finds checks the doctor's summary line.
func (s *stage) finds(out string) {
	s.t.Helper()
	if !regexp.MustCompile(`\n\d+ OK, \d+ WARN, \d+ BAD\n$`).MatchString(out) {
		s.t.Errorf("ccomet doctor: %s", out)
	}
}
