package report

import (
	"fmt"
	"strings"

	"ccomet/bench/result"
)

// machine describes a machine: "a virtual machine with 2 cores (AMD EPYC), 24
// GiB of memory, Linux 6.18 and Go 1.26". It leaves out whatever is unknown.
func machine(m result.Machine) string {
	if m == (result.Machine{}) {
		return ""
	}
	kind := "a machine"
	switch {
	case m.Emulated:
		kind = "an emulated machine"
	case m.Virtual:
		kind = "a virtual machine"
	}
	var parts []string
	cores := counted(int64(m.Cores), "core")
	switch {
	case cores != "" && m.CPU != "":
		parts = append(parts, cores+" ("+m.CPU+")")
	case cores+m.CPU != "":
		parts = append(parts, cores+m.CPU)
	}
	if m.MemoryBytes > 0 {
		parts = append(parts, tick(memory)(float64(m.MemoryBytes))+" of memory")
	}
	for _, s := range []string{m.Kernel, goVersion(m.Go)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 {
		return kind
	}
	return kind + " with " + and(parts)
}

// goVersion changes runtime.Version to the usual form: Go 1.26.
func goVersion(s string) string {
	if rest, ok := strings.CutPrefix(s, "go"); ok {
		return "Go " + rest
	}
	return s
}

// counted writes a number of things: 1 core, 2 cores. For 0 it returns "".
func counted(n int64, thing string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + thing
	}
	return whole(n) + " " + thing + "s"
}

func channelWords(s string) string {
	switch s {
	case "shared":
		return "one channel"
	case "own":
		return "own channels"
	case "both":
		return "one channel, and own channels"
	}
	return s
}

func burstWords(n int) string {
	if n == 0 {
		return ""
	}
	return "bursts of " + whole(n)
}

func sizeWords(n int) string {
	if n == 0 {
		return ""
	}
	return "messages of " + tick(memory)(float64(n))
}

func churnWords(share float64) string {
	if share == 0 {
		return ""
	}
	return with(percent(share), "leave per second")
}

// failure lists the failures: "3 lost, 1 doubled". Without any, it returns "".
func failure(c result.Check) string {
	var parts []string
	for _, f := range []struct {
		n    int64
		what string
	}{
		{c.Lost, "lost"}, {c.Doubled, "doubled"}, {c.Disordered, "out of order"}, {c.Damaged, "damaged"},
	} {
		if f.n != 0 {
			parts = append(parts, whole(f.n)+" "+f.what)
		}
	}
	if c.Dropped != 0 {
		parts = append(parts, counted(c.Dropped, "connection")+" dropped")
	}
	return strings.Join(parts, ", ")
}

// verified returns the number of received deliveries. If any is wrong or
// missing, it adds the number of expected ones.
func verified(c result.Check) string {
	switch {
	case c.Expected == 0 && c.Received == 0:
		return ""
	case c.Expected == c.Received && !c.Failed():
		return whole(c.Received)
	}
	return fmt.Sprintf("%s of %s", whole(c.Received), whole(c.Expected))
}
