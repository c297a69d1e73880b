package footprint

import (
	"os"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestParseMapping(t *testing.T) {
	for _, test := range []struct {
		line       string
		ofFile, ok bool
	}{
		{"00400000-00a52000 r-xp 00000000 fe:00 1234   /usr/local/bin/ccomet", true, true},
		{"00a57000-0117c000 r--p 00657000 fe:00 1234   /usr/local/bin/a name with blanks", true, true},
		{"0117c000-011ea000 rw-p 00d7c000 fe:00 1234   /usr/local/bin/ccomet", false, true},
		{"7f0000000000-7f0000001000 r--s 00000000 fe:00 1   /shared", false, true},
		{"7f0000000000-7f0000001000 ---p 00000000 fe:00 1   /guard", false, true},
		{"7ffd5ea6d000-7ffd5ea8e000 r-xp 00000000 00:00 0   [vdso]", false, true},
		{"7f4f26ba2000-7f4f26f00000 rw-p 00000000 00:00 0 ", false, true},
		{"Rss:                 123 kB", false, false},
		{"VmFlags: rd ex mr mw me", false, false},
		{"", false, false},
	} {
		if m, ofFile, ok := parseMapping(test.line); ofFile != test.ofFile || ok != test.ok || ok && m.from >= m.to {
			t.Errorf("%q is %x, %v, %v", test.line, m, ofFile, ok)
		}
	}
}

// Released pages are mapped again when needed; written pages remain.
func TestGiveBack(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := os.Getpagesize()
	if _, err = f.Write(slices.Repeat([]byte("a"), 2*page)); err != nil {
		t.Fatal(err)
	}
	var mapped [2][]byte
	for i := range mapped {
		if mapped[i], err = unix.Mmap(int(f.Fd()), 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Munmap(mapped[i]) }()
		if i == 1 {
			mapped[i][0] = 'b' // as a debugger or a relocation does
		}
		if err := unix.Mprotect(mapped[i], unix.PROT_READ); err != nil {
			t.Fatal(err)
		}
	}
	// Each page is touched: the kernel maps a neighbour of a page only if that is not in use just now.
	if touched := string([]byte{mapped[0][0], mapped[0][page], mapped[1][page]}); touched != "aaa" || present(t, mapped[0]) != 2 {
		t.Fatalf("the pages have %q, and %d of 2 are mapped", touched, present(t, mapped[0]))
	}
	GiveBack()
	if n := present(t, mapped[0]); n != 0 {
		t.Errorf("%d pages of the file are still mapped", n)
	}
	if mapped[0][0] != 'a' || mapped[0][page] != 'a' || mapped[1][0] != 'b' {
		t.Errorf("a page has changed: %q %q %q", mapped[0][0], mapped[0][page], mapped[1][0])
	}
}

// present returns the number of mapped pages.
func present(t *testing.T, memory []byte) (n int) {
	t.Helper()
	pages, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Fatal(err)
	}
	defer pages.Close()
	page := os.Getpagesize()
	entries := make([]byte, 8*len(memory)/page)
	if _, err := pages.ReadAt(entries, int64(uintptr(unsafe.Pointer(&memory[0])))/int64(page)*8); err != nil {
		t.Fatal(err)
	}
	for at := 7; at < len(entries); at += 8 {
		n += int(entries[at] >> 7)
	}
	return n
}
