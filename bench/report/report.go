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

// page is the content of a report, before it is written as HTML or Markdown.
type page struct {
	Subjects string   // the servers or labels
	Dates    string   // when they were measured
	Machines []string // descriptions without duplicates
	Emulated bool     // at least one of them is emulated
	Sections []section
}

// section is the part of a report about the results of one kind.
type section struct {
	ID, Title, Lead string
	Cards           []card
	Figures         []figure
	Tables          []table
	Runs            []run
}

// card shows the most important figure of a result.
type card struct {
	Name         string
	Marks        []mark
	Number, Unit string
	What         string // what the number measures
	More         string
}

// figure is a plot. Its name is also the name of its file.
type figure struct {
	Name    string
	Drawing interface{ SVG(width int) string }
	Caption string // tells how to read the plot
}

// emulatedLine explains why times are missing.
const emulatedLine = "Results marked “emulated” come from an emulated processor: their memory is exact, but their times mean nothing and are left out."

// chapter says how the section for a kind is made.
type chapter struct {
	kind        result.Kind
	title, lead string
	build       func(*section, []entry)
}

// chapters are in the order of a page.
var chapters = []chapter{
	{result.KindCompare, "Servers beside each other",
		"Each row is measured in rounds. In each round all servers take turns, and so does a bare program, which makes only the necessary system calls.", compare},
	{result.KindHold, "Memory of waiting connections",
		"Connections are opened in steps, and then wait with nothing to receive. At the end a message goes to each of them, and every copy is checked.", hold},
	{result.KindChurn, "Connections that come and go",
		"The number of connections stays the same, while some of them leave and come back all the time. Growth means a leak.", churn},
	{result.KindFanout, "A message to many",
		"Messages of one channel go to all connections. A bare loop takes turns with the server: it only writes as many bytes to as many connections.", fanout},
	{result.KindChannels, "Many channels of one subscriber",
		"Publishes are spread over channels with a single subscriber each. A bare program takes turns with the server: it only reads, writes and answers as often.", channels},
	{result.KindLatency, "One publish, one subscriber",
		"Publishes come at a steady rate, to channels with a single subscriber each, in turn. The time of a publish starts when it is due, even if it is sent later. A bare program takes turns with the server: it makes only the necessary system calls.", oneToOne},
	{result.KindStorm, "Everybody comes back at once",
		"All connections are cut and subscribe again, while messages still go to a channel whose subscribers stay.", storm},
	{result.KindUpgrade, "The server is upgraded",
		"The server is upgraded live again and again, while clients of all transports are connected, some of them to several channels, and publishers publish. No connection and no message may be lost.", upgrades},
	{result.KindStuck, "Readers that have stopped reading",
		"Some subscribers of a channel do not read. Rounds with and without them take turns. In the end the server closes their connections, and they come back with their cursors.", stuck},
	{result.KindSiege, "Hostile clients",
		"Each attack of slowhttptest tries to use up the server's connections; floods try to use up its memory. Meanwhile other clients are connected, and new ones come.", siege},
	{result.KindCluster, "Several servers over Redis",
		"Messages are published at one node for subscribers at another. Each kind of server has a Redis of its own, and all take turns in rounds. “Alone” is the necessary minimum: Redis executes a script that numbers and keeps a message, without any node.", compare},
	{result.KindLoop, "The event loop alone",
		"Some of the socket pairs are active at a time: for each byte that is read from one, a byte is written into the next.", loop},
}

// Markdown writes summary tables with headings of level three, for a README. It
// fails if there is no result, if the kind of one is unknown, or if writing
// fails.
func Markdown(w io.Writer, results []*result.Result) error {
	p, err := newPage(results)
	if err != nil {
		return err
	}
	return p.markdown(w)
}

// HTML writes a self-contained page: it includes the style and the plots, and
// needs no scripts. It fails for the same reasons as Markdown.
func HTML(w io.Writer, results []*result.Result) error {
	p, err := newPage(results)
	if err != nil {
		return err
	}
	return p.html(w)
}

// newPage makes the sections. It fails if there is no result, or if the kind of
// one is unknown.
func newPage(results []*result.Result) (*page, error) {
	if len(results) == 0 {
		return nil, errors.New("nothing to report on: name at least one file that a measurement has saved")
	}
	for i, r := range results {
		if r == nil || !slices.ContainsFunc(chapters, func(c chapter) bool { return c.kind == r.Kind }) {
			return nil, fmt.Errorf("result %d is of an unknown kind: want one that a measurement of this version has saved", i+1)
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

// addFigure appends a figure if it shows at least one point or bar.
func (s *section) addFigure(f figure, drawn int) {
	if drawn > 0 {
		s.Figures = append(s.Figures, f)
	}
}

// addCard appends a card. Without a figure, it appends one only if there are
// marks to show.
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

// subjects names whatever was measured, "ccomet beside nchan and 2 others": the
// servers, or labels where there is no server.
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

// dates returns the day of the first result, and that of the last if it
// differs.
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
