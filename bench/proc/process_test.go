package proc

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain lets the test's own program be a child that waits until its input ends.
func TestMain(m *testing.M) {
	if os.Getenv("CCOMET_PROC_TEST_CHILD") != "" {
		os.Stdout.WriteString("x")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// child starts a process that lives as long as the test.
func child(t *testing.T) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CCOMET_PROC_TEST_CHILD=1", "GORACE=atexit_sleep_ms=0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// A child that has ended, and that was not waited for yet, harms nothing.
func TestEndedChild(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CCOMET_PROC_TEST_CHILD=1", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil { // its input is at its end
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	if _, err := io.ReadAll(out); err != nil {
		t.Fatal(err)
	}
	for {
		_, fields, ok := statFields("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/stat")
		if !ok {
			t.Fatal("the child was waited for twice")
		}
		if fields[0] == "Z" {
			break
		}
		runtime.Gosched()
	}
	if _, err := kilobytes("/proc/"+strconv.Itoa(cmd.Process.Pid)+"/status", "VmSize"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that ends between two files is told as %v", err)
	}
	self := Process(os.Getpid())
	if _, err := self.Memory(); err != nil {
		t.Error(err)
	}
	if _, err := self.Peak(); err != nil {
		t.Error(err)
	}
	if _, err := self.CPU(); err != nil {
		t.Error(err)
	}
	if _, err := self.Descriptors(); err != nil {
		t.Error(err)
	}
	if err := self.each(func(pid int) error {
		if pid == os.Getpid() {
			return nil
		}
		return syscall.ESRCH // as a file of one says that ends just now
	}); err != nil {
		t.Error(err)
	}
}

// What is read of a process is there, makes sense, and counts its children.
func TestFamily(t *testing.T) {
	self := Process(os.Getpid())
	alone, err := self.Memory()
	if err != nil {
		t.Fatal(err)
	}
	pid := child(t)
	family, err := self.Family()
	if err != nil || family[0] != os.Getpid() || !slices.Contains(family, pid) {
		t.Errorf("%v, %v: want %d and %d", family, err, os.Getpid(), pid)
	}
	both, err := self.Memory()
	if err != nil || alone.Resident < 1<<20 || both.Resident < alone.Resident+1<<19 || both.Virtual <= alone.Virtual || both.Proportional > both.Resident {
		t.Errorf("alone %+v, with a child %+v: %v", alone, both, err)
	}
}

func TestDescriptors(t *testing.T) {
	self := Process(child(t)) // no other process opens any there
	before, err := self.Descriptors()
	if err != nil || before < 3 {
		t.Fatalf("%d descriptors: %v", before, err)
	}
	limit, err := self.DescriptorLimit()
	if err != nil || limit < before {
		t.Errorf("limit %d: %v", limit, err)
	}
}

func TestCPUAndWrites(t *testing.T) {
	self := Process(os.Getpid())
	before, err := self.CPU()
	if err != nil || before.All <= 0 {
		t.Fatalf("processor time %v: %v", before, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	writes := self.Writes()
	for range 10 {
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if n := self.Writes() - writes; n < 10 {
		t.Errorf("%d write calls counted, 10 made", n)
	}
	if after, err := self.CPU(); err != nil || after.Sub(before).All <= 0 || before.Add(after).All <= after.All {
		t.Errorf("processor time %v, then %v: %v", before, after, err)
	}
}

func TestPeak(t *testing.T) {
	debug.FreeOSMemory() // what the heap has left of earlier tests would be touched again
	self := Process(os.Getpid())
	if err := self.ResetPeak(); err != nil {
		t.Fatal(err)
	}
	before, err := self.Peak()
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	if peak, err := self.Peak(); err != nil || peak < before+48<<20 {
		t.Errorf("a peak of %d bytes, %d before 64 MiB were touched: %v", peak, before, err)
	}
}

func TestGone(t *testing.T) {
	gone := Process(1 << 30)
	if _, err := gone.Memory(); err == nil || !strings.Contains(err.Error(), "process 1073741824 is not there") {
		t.Errorf("memory of a process that is not there: %v", err)
	}
	if _, err := Find("no-such-program"); err == nil || !strings.Contains(err.Error(), "--pid") {
		t.Errorf("found a program that does not run: %v", err)
	}
}

func TestFind(t *testing.T) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	child(t) // a child of the same name is not another one
	if p, err := Find(strings.TrimSpace(string(comm))); err != nil || int(p) != os.Getpid() {
		t.Errorf("found %d, %v: want %d", p, err, os.Getpid())
	}
}

func TestMachine(t *testing.T) {
	m := ThisMachine()
	if m.Cores < 1 || m.MemoryBytes < 1<<28 || !strings.HasPrefix(m.Kernel, "Linux ") || !strings.HasPrefix(m.Go, "Go 1.") || m.CPU == "" {
		t.Errorf("%+v", m)
	}
	if ports, err := Sysctl("net.ipv4.ip_local_port_range"); err != nil || len(ports) != 2 || ports[0] >= ports[1] {
		t.Errorf("ports %v: %v", ports, err)
	}
	if _, err := Sysctl("no.such.setting"); err == nil {
		t.Error("an unknown setting was accepted")
	}
	if n, err := MemoryAvailable(); err != nil || n < 1<<20 {
		t.Errorf("%d bytes available: %v", n, err)
	}
}

// A file in memory counts as a whole, though it is mapped twice and not touched.
func TestFootprint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root sees which files a process has mapped")
	}
	self := Process(os.Getpid())
	before, err := self.Footprint()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.MemfdCreate("footprint", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	const size = 64 << 20
	if err := unix.Fallocate(fd, 0, 0, size); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Munmap(mem) }()
	}
	after, err := self.Footprint()
	if grown := after.Bytes - before.Bytes; err != nil || grown < size*3/4 || grown > size*3/2 {
		t.Errorf("it grew by %d bytes, want about %d: %v", grown, size, err)
	}
	if after.Program <= 0 || after.Program >= after.Bytes-size/2 {
		t.Errorf("%d bytes, of which %d are the program's", after.Bytes, after.Program)
	}
	if _, err := Process(1 << 30).Footprint(); err == nil {
		t.Error("a process that is not there takes memory")
	}
}

// A child that has not executed its program yet is in its parent's memory, which counts once.
func TestSameMemory(t *testing.T) {
	self := os.Getpid()
	if !sameMemory(self, self) {
		t.Skip("the kernel does not tell whose memory is whose")
	}
	if sameMemory(self, os.Getppid()) {
		t.Error("the parent has other memory, but is taken for the same")
	}
	if sameMemory(self, 1<<30) {
		t.Error("a process that does not exist is taken for the same")
	}
}

// What is resident of the program's file is told from what was written, from what may be,
// and from memory that has no file on the disk.
func TestProgramPages(t *testing.T) {
	name := t.TempDir() + "/smaps"
	const text = `00401000-00adf000 r-xp 00001000 fe:00 1234   /usr/local/bin/ccomet
Size:               7032 kB
Rss:                1148 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00adf000-01298000 r--p 006df000 fe:00 1234   /usr/local/bin/a name with blanks
Rss:                 100 kB
Anonymous:            40 kB
01298000-01307000 rw-p 00e98000 fe:00 1234   /usr/local/bin/ccomet
Rss:                 320 kB
Anonymous:           300 kB
7f4f26ba2000-7f4f26f00000 rw-p 00000000 00:00 0
Rss:                4000 kB
7f13df2000-7f13ff2000 rw-s 00000000 00:01 7    /memfd:ccomet-records (deleted)
Rss:                 128 kB
7ffd5ea6d000-7ffd5ea8e000 r-xp 00000000 00:00 0   [vdso]
Rss:                   8 kB
`
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := programPages(name); err != nil || n != (1148+100-40)<<10 {
		t.Errorf("%d bytes, %v", n, err)
	}
	m, err := Process(os.Getpid()).Memory()
	if err != nil || m.Program <= 0 || m.Program >= m.Resident {
		t.Errorf("%+v, %v", m, err)
	}
}
