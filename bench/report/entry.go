package report

import (
	"fmt"
	"slices"
	"strings"

	"ccomet/bench/report/plot"
	"ccomet/bench/result"
)

// entry is a result in its section.
type entry struct {
	*result.Result
	Name    string // unique in the section
	Marks   []mark
	hue     int // colour: the same for all entries with this label in the report
	pattern int // of the entry's lines in the section
}

// mark is a remark beside a name.
type mark struct {
	Text string
	Bad  bool
}

// label returns the label of a result in one line.
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

// distinguish makes the names of a section's entries unique: it appends the
// settings in which entries of the same name differ and, as the last resort,
// numbers.
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
		values := map[string][]string{} // by name
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

// The parts of a result; each is empty if the result lacks it.

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

// has reports whether the result has the part that belongs to its kind.
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

// time returns the text of a time, or "" on an emulated machine.
func (e entry) time(text string) string {
	if e.Machine.Emulated {
		return ""
	}
	return text
}

// line returns a line for the entry in a chart. Its notes are the note and the
// marks.
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

// title returns the name with the marks in brackets, for where nothing else
// shows them.
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
