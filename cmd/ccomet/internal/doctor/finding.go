// Package doctor finds what is too small for a number of connections.
package doctor

import (
	"fmt"
	"strconv"
	"strings"
)

// Status is how well one thing is.
type Status int

const (
	OK   Status = iota
	Warn        // it will hurt some day, or cannot be told
	Bad         // it is too small, or broken
)

var StatusNames = [...]string{"OK", "WARN", "BAD"}

func (s Status) String() string { return StatusNames[s] }

// MarshalText is for --json.
func (s Status) MarshalText() ([]byte, error) { return []byte(strings.ToLower(s.String())), nil }

// Finding is what was found of one thing.
type Finding struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Have   string `json:"have"`
	Want   string `json:"want,omitempty"`
	Why    string `json:"why,omitempty"`
	Fixes  []fix  `json:"fixes,omitempty"`
}

// fix is a change that makes it well.
type fix struct {
	File  string   `json:"file,omitempty"` // where it survives a restart
	Lines []string `json:"lines,omitempty"`
	Now   string   `json:"now,omitempty"` // a command that changes it at once
}

// write writes a finding for people: a line, and below it why, and what to do,
// where it is not well.
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

// sysctlFile is where kernel settings survive a restart.
const sysctlFile = "/etc/sysctl.d/60-ccomet.conf"

// sysctl is the fix of a kernel setting.
func sysctl(name, value string) []fix {
	quoted := value
	if strings.Contains(value, " ") {
		quoted = "'" + value + "'"
	}
	return []fix{{File: sysctlFile, Lines: []string{name + " = " + value}, Now: "sysctl -w " + name + "=" + quoted}}
}

// grouped is a number with its thousands set apart.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// mebibytes is a size for people.
func mebibytes(n int64) string { return grouped((n+1<<20-1)>>20) + " MiB" }

// Diagnosis is what --json prints.
type Diagnosis struct {
	Conns  int       `json:"conns"`
	Status Status    `json:"status"`
	Checks []Finding `json:"checks"`
}

// Text is a diagnosis for people.
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
