package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"ccomet/bench/result"
)

// page is what a report says, before it is written as HTML or Markdown.
type page struct {
	Subjects string   // whose results
	Dates    string   // when they were measured
	Machines []string // in words, each once
	Emulated bool     // some of them are
	Sections []section
}

// section is what is said of the results of one kind.
type section struct {
	ID, Title, Lead string
	Cards           []card
	Figures         []figure
	Tables          []table
	Runs            []run
}

// card is the one figure of a result that matters most.
type card struct {
	Name         string
	Marks        []mark
	Number, Unit string
	What         string // the number is
	More         string
}

// figure is a plot. Its name is also that of its file.
type figure struct {
	Name    string
	Drawing interface{ SVG(width int) string }
	Caption string // how to read it
}

// emulatedLine is why times are missing.
const emulatedLine = "Results marked “emulated” ran on a processor made of software: their memory is exact, their times mean nothing and are left out."

// chapter is how the section of one kind is made.
type chapter struct {
	kind        result.Kind
	title, lead string
	build       func(*section, []entry)
}

// chapters stand in the order of a page.
var chapters = []chapter{
	{result.KindCompare, "Servers beside each other",
		"Each row in rounds, in which all servers take turns, and a bare program too, which makes the system calls that cannot be done without, and does nothing else.", compare},
	{result.KindHold, "Memory of waiting connections",
		"Connections are opened in steps, and then wait with nothing to receive. At the end a message goes to each of them, and every copy is checked.", hold},
	{result.KindChurn, "Connections that come and go",
		"The number of connections stays, while some of them leave and come back all the time. What grows here is leaking.", churn},
	{result.KindFanout, "A message to many",
		"Messages go from one channel to all connections. The bare loop, in turn with the server, writes as many bytes to as many connections, and does nothing else.", fanout},
	{result.KindChannels, "Many channels of one subscriber",
		"Publishes are spread over channels with a single subscriber each. The bare program, in turn with the server, reads, writes and answers as often, and does nothing else.", channels},
	{result.KindLatency, "One publish, one subscriber",
		"Publishes come at a steady rate, to channels with a single subscriber each, in turn. A publish that should have been sent earlier than it was counts from when it should have been. The bare program, in turn with the server, makes the system calls that cannot be done without, and does nothing else.", oneToOne},
	{result.KindStorm, "Everybody comes back at once",
		"All connections are cut and subscribe again, while messages go on to a channel whose subscribers stay.", storm},
	{result.KindUpgrade, "The server is upgraded",
		"The server goes on in another program, again and again, while clients of all transports wait, some of them for several channels, and publishers publish. No connection may be lost, and no message.", upgrades},
	{result.KindStuck, "Readers that have stopped reading",
		"Some subscribers of a channel do not read. Rounds with them and without take turns. In the end they are cut, and come back with their cursors.", stuck},
	{result.KindSiege, "Hostile clients",
		"slowhttptest takes all connections that the server may have, in each of its ways; floods try to take all memory. Others are connected, and newcomers come.", siege},
	{result.KindCluster, "Several servers over Redis",
		"Messages are published at one node for subscribers at another; each kind of server has a Redis of its own, and all take turns in rounds. Alone is what cannot be done without: Redis, which executes a script that numbers and keeps a message, and no node.", compare},
	{result.KindLoop, "The event loop alone",
		"Socket pairs, of which some are active at a time: each byte read from one is answered with a byte into the next.", loop},
}

// Markdown writes the summaries as sections of level three with tables, fit
// for a README. It fails without a result, on one of an unknown kind, and when
// writing fails.
func Markdown(w io.Writer, results []*result.Result) error {
	p, err := newPage(results)
	if err != nil {
		return err
	}
	return p.markdown(w)
}

// HTML writes one page with everything in it: style and plots are inside, and
// it needs no scripts. It fails as Markdown does.
func HTML(w io.Writer, results []*result.Result) error {
	p, err := newPage(results)
	if err != nil {
		return err
	}
	return p.html(w)
}

// newPage makes the sections. A result of a kind that it does not know is
// refused.
func newPage(results []*result.Result) (*page, error) {
	if len(results) == 0 {
		return nil, errors.New("nothing to report on: name at least one file that a measurement has saved")
	}
	for i, r := range results {
		if r == nil || !slices.ContainsFunc(chapters, func(c chapter) bool { return c.kind == r.Kind }) {
			return nil, fmt.Errorf("result %d is of no known kind: want one that a measurement of this program's version has saved", i+1)
		}
	}
	p := &page{Subjects: subjects(results), Dates: dates(results)}
	for _, r := range results {
		if words := machine(r.Machine); words != "" && !slices.Contains(p.Machines, words) {
			p.Machines = append(p.Machines, words)
		}
		p.Emulated = p.Emulated || r.Machine.Emulated
	}
	all := entries(results)
	for _, c := range chapters {
		of := slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return e.Kind != c.kind })
		if len(of) == 0 {
			continue
		}
		s := section{ID: string(c.kind), Title: c.title, Lead: c.lead}
		distinguish(of)
		c.build(&s, of)
		for _, e := range of {
			s.Runs = append(s.Runs, newRun(e))
		}
		p.Sections = append(p.Sections, s)
	}
	return p, nil
}

// addFigure appends a figure, unless nothing is drawn in it.
func (s *section) addFigure(f figure, drawn int) {
	if drawn > 0 {
		s.Figures = append(s.Figures, f)
	}
}

// addCard appends a card. One without a figure is for the marks alone.
func (s *section) addCard(e entry, figure, what string, more ...string) {
	number, unit, _ := strings.Cut(figure, " ")
	if number == "" {
		if len(e.Marks) == 0 {
			return
		}
		what = ""
	}
	more = slices.DeleteFunc(more, func(s string) bool { return s == "" || strings.Contains(e.Name, s) })
	s.Cards = append(s.Cards, card{e.Name, e.Marks, number, unit, what, strings.Join(more, " · ")})
}

// subjects is whose results these are, "ccomet beside nchan and 2 others": the
// servers, or whatever has a label where there is no server.
func subjects(results []*result.Result) string {
	var labels []string
	add := func(name string) {
		if !slices.Contains(labels, name) {
			labels = append(labels, name)
		}
	}
	for _, r := range results {
		if r.Setting != nil && r.Setting.Target != "" {
			add(r.Setting.Target)
		}
	}
	servers := len(labels) > 0
	for _, r := range results {
		if !servers || r.Setting != nil && r.Setting.Target == "" {
			add(label(r))
		}
	}
	if len(labels) > 4 {
		labels = append(labels[:3], fmt.Sprintf("%d others", len(labels)-3))
	}
	if len(labels) == 1 {
		return labels[0]
	}
	return labels[0] + " beside " + and(labels[1:])
}

// dates is the day of the first result, and of the last if it is another.
func dates(results []*result.Result) string {
	var first, last time.Time
	for _, r := range results {
		t := r.Started.UTC()
		if t.IsZero() {
			continue
		}
		if first.IsZero() || t.Before(first) {
			first = t
		}
		if t.After(last) {
			last = t
		}
	}
	const day = "2 January 2006"
	switch {
	case first.IsZero():
		return ""
	case first.Format(day) == last.Format(day):
		return first.Format(day)
	}
	return first.Format(day) + " to " + last.Format(day)
}
