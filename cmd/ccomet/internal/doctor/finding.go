// Package doctor checks the capacity for a number of connections.
package doctor

import (
	"fmt"
	"strconv"
	"strings"
)

// Status is the result of one check.
type Status int

const (
	OK   Status = iota
	Warn        // it may fail later, or cannot be determined
	Bad         // it is too small, or broken
)

var StatusNames = [...]string{"OK", "WARN", "BAD"}

func (s Status) String() string { return StatusNames[s] }

// MarshalText returns the name for --json.
func (s Status) MarshalText() ([]byte, error) { return []byte(strings.ToLower(s.String())), nil }

// Finding is the result of one check, with the reason and what to change.
type Finding struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Have   string `json:"have"`
	Want   string `json:"want,omitempty"`
	Why    string `json:"why,omitempty"`
	Fixes  []fix  `json:"fixes,omitempty"`
}

// fix is a change that solves the problem.
type fix struct {
	File  string   `json:"file,omitempty"` // the file in which the change survives a restart
	Lines []string `json:"lines,omitempty"`
	Now   string   `json:"now,omitempty"` // a command that makes the change immediately
}

// write writes a finding as text: one line and, unless it is OK, the reason and the fixes
// below.
func (f *Finding) write(b *strings.Builder) {
	fmt.Fprintf(b, "%-5s%s: %s", f.Status, f.Name, f.Have)
	if f.Want != "" {
		fmt.Fprintf(b, "; wanted: %s", f.Want)
	}
	b.WriteString("\n")
	if f.Status == OK {
		return
	}
	if f.Why != "" {
		fmt.Fprintf(b, "       %s\n", f.Why)
	}
	for _, x := range f.Fixes {
		if x.File != "" {
			fmt.Fprintf(b, "       %s:\n", x.File)
		}
		for _, line := range x.Lines {
			fmt.Fprintf(b, "           %s\n", line)
		}
		if x.Now != "" {
			fmt.Fprintf(b, "       at once: %s\n", x.Now)
		}
	}
}

// sysctlFile is the file in which kernel settings survive a restart.
const sysctlFile = "/etc/sysctl.d/60-ccomet.conf"

// sysctl returns the fix for a kernel setting.
func sysctl(name, value string) []fix {
	quoted := value
	if strings.Contains(value, " ") {
		quoted = "'" + value + "'"
	}
	return []fix{{File: sysctlFile, Lines: []string{name + " = " + value}, Now: "sysctl -w " + name + "=" + quoted}}
}

// grouped formats a number with a comma between groups of three digits.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// mebibytes formats a size in MiB, rounded up.
func mebibytes(n int64) string { return grouped((n+1<<20-1)>>20) + " MiB" }

// Diagnosis is the output of --json.
type Diagnosis struct {
	Conns  int       `json:"conns"`
	Status Status    `json:"status"`
	Checks []Finding `json:"checks"`
}

// Text returns a diagnosis as text.
func (d *Diagnosis) Text() string {
	var b strings.Builder
	counts := [3]int{}
	if d.Conns > 0 {
		fmt.Fprintf(&b, "%s connections:\n\n", grouped(int64(d.Conns)))
	}
	for _, f := range d.Checks {
		counts[f.Status]++
		f.write(&b)
	}
	fmt.Fprintf(&b, "\n%d OK, %d WARN, %d BAD\n", counts[OK], counts[Warn], counts[Bad])
	return b.String()
}
