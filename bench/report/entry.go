package report

import (
	"fmt"
	"slices"
	"strings"

	"ccomet/bench/report/plot"
	"ccomet/bench/result"
)

// entry is a result as it stands in its section.
type entry struct {
	*result.Result
	Name    string // unlike any other in the section
	Marks   []mark
	hue     int // of everything with the same label, in the whole report
	pattern int // of its lines in the section
}

// mark is what must be told beside a name.
type mark struct {
	Text string
	Bad  bool
}

// label is whose the result is.
func label(r *result.Result) string {
	if l := strings.Join(strings.Fields(r.Label), " "); l != "" {
		return l
	}
	return "unnamed"
}

func entries(results []*result.Result) []entry {
	var labels []string
	var all []entry
	for _, r := range results {
		e := entry{Result: r, Name: label(r)}
		if !slices.Contains(labels, e.Name) {
			labels = append(labels, e.Name)
		}
		e.hue = slices.Index(labels, e.Name)
		if failure := failure(e.check()); failure != "" {
			e.Marks = append(e.Marks, mark{"failed: " + failure, true})
		}
		if e.Interrupted {
			e.Marks = append(e.Marks, mark{"interrupted", true})
		}
		if !e.has() {
			e.Marks = append(e.Marks, mark{"no figures", true})
		}
		if e.Machine.Emulated {
			e.Marks = append(e.Marks, mark{"emulated", false})
		}
		all = append(all, e)
	}
	return all
}

// distinguish makes the names of a section's entries differ, by the first of
// their settings that do, and in the end by numbers.
func distinguish(of []entry) {
	settings := []func(entry) string{
		func(e entry) string { return e.setting().Transport },
		func(e entry) string { return channelWords(e.setting().Channels) },
		func(e entry) string { return counted(int64(e.setting().Connections), "connection") },
		func(e entry) string { return burstWords(e.fanout().Burst) },
		func(e entry) string {
			return counted(int64(e.channels().Connections), "publishing connection")
		},
		func(e entry) string { return e.time(someRate(e.oneToOne())) },
		func(e entry) string { return depthWords(e.oneToOne()) },
		func(e entry) string { return churnWords(e.setting().ChurnShare) },
		func(e entry) string { return sizeWords(e.setting().SizeBytes) },
		func(e entry) string { return date(e.Started) },
	}
	for _, setting := range settings {
		values := map[string][]string{} // that those of a name have
		for _, e := range of {
			if v := setting(e); !slices.Contains(values[e.Name], v) {
				values[e.Name] = append(values[e.Name], v)
			}
		}
		for i := range of {
			if v := setting(of[i]); v != "" && len(values[of[i].Name]) > 1 {
				of[i].Name += ", " + v
			}
		}
	}
	taken := map[string]int{}
	for i := range of {
		of[i].pattern = i
		taken[of[i].Name]++
		if n := taken[of[i].Name]; n > 1 {
			of[i].Name += fmt.Sprintf(" #%d", n)
		}
	}
}

// The parts of a result; where it lacks one, an empty one.

func (e entry) setting() result.Setting    { return orEmpty(e.Setting) }
func (e entry) hold() result.Hold          { return orEmpty(e.Hold) }
func (e entry) fanout() result.Fanout      { return orEmpty(e.Fanout) }
func (e entry) channels() result.Channels  { return orEmpty(e.Channels) }
func (e entry) oneToOne() result.OneToOne  { return orEmpty(e.OneToOne) }
func (e entry) compare() result.Compare    { return orEmpty(e.Compare) }
func (e entry) storm() result.Storm        { return orEmpty(e.Storm) }
func (e entry) upgrade() result.UpgradeRun { return orEmpty(e.Upgrade) }
func (e entry) stuck() result.Stuck        { return orEmpty(e.Stuck) }
func (e entry) siege() result.Siege        { return orEmpty(e.Siege) }
func (e entry) loop() result.Loop          { return orEmpty(e.Loop) }

func orEmpty[T any](p *T) T {
	if p == nil {
		p = new(T)
	}
	return *p
}

// has says whether the part of its kind is there.
func (e entry) has() bool {
	switch e.Kind {
	case result.KindHold, result.KindChurn:
		return e.Hold != nil
	case result.KindFanout:
		return e.Fanout != nil
	case result.KindChannels:
		return e.Channels != nil
	case result.KindLatency:
		return e.OneToOne != nil
	case result.KindCompare, result.KindCluster:
		return e.Compare != nil
	case result.KindStorm:
		return e.Storm != nil
	case result.KindUpgrade:
		return e.Upgrade != nil
	case result.KindStuck:
		return e.Stuck != nil
	case result.KindSiege:
		return e.Siege != nil
	}
	return e.Loop != nil
}

func (e entry) check() result.Check {
	switch e.Kind {
	case result.KindHold, result.KindChurn:
		return e.hold().Check
	case result.KindFanout:
		return e.fanout().Check
	case result.KindChannels:
		return e.channels().Check
	case result.KindLatency:
		return e.oneToOne().Check
	case result.KindStorm:
		return e.storm().Check
	case result.KindUpgrade:
		return e.upgrade().Check
	case result.KindStuck:
		return e.stuck().Check
	}
	return result.Check{}
}

// time passes on the text of a time, unless times mean nothing.
func (e entry) time(text string) string {
	if e.Machine.Emulated {
		return ""
	}
	return text
}

// line is the entry's line in a chart, with the marks after the note.
func (e entry) line(note string, points [][2]float64) plot.Line {
	var notes []string
	if note != "" {
		notes = append(notes, note)
	}
	for _, m := range e.Marks {
		notes = append(notes, m.Text)
	}
	return plot.Line{Name: e.Name, Notes: notes, Hue: e.hue, Pattern: e.pattern, Points: points}
}

// title is the name with the marks in it, where nothing else shows them.
func (e entry) title() string {
	var texts []string
	for _, m := range e.Marks {
		texts = append(texts, m.Text)
	}
	if len(texts) == 0 {
		return e.Name
	}
	return e.Name + " (" + strings.Join(texts, ", ") + ")"
}
