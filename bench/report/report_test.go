package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ccomet/bench/result"
)

var writers = map[string]func(io.Writer, []*result.Result) error{"sample.html": HTML, "sample.md": Markdown}

// written returns a report of the results.
func written(t *testing.T, name string, results []*result.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := writers[name](&b, results); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// texts returns the text of a page, without tags, style and plots. It fails if
// tags are not balanced.
func texts(t *testing.T, page string) string {
	t.Helper()
	var b strings.Builder
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Strict = true
	hidden := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if n := token.Name.Local; n == "style" || n == "svg" || hidden > 0 {
				hidden++
			}
		case xml.EndElement:
			if hidden > 0 {
				hidden--
			} else {
				b.WriteString("\n")
			}
		case xml.CharData:
			if hidden == 0 {
				b.Write(token)
			}
		}
	}
}

// TestOddResults checks that a report includes results that lack parts, are
// empty, have one sample, or hold figures that are not finite.
func TestOddResults(t *testing.T) {
	bare := func(kind result.Kind) *result.Result { return &result.Result{Kind: kind} }
	odd := []*result.Result{
		{Kind: result.KindHold, Hold: new(result.Hold)}, {Kind: result.KindHold, Hold: &result.Hold{Samples: make([]result.Sample, 1)}},
		{Kind: result.KindHold, Hold: &result.Hold{SlopeBytes: math.NaN(), EndBytes: math.Inf(1), KernelSlopeBytes: math.Inf(-1), Samples: []result.Sample{{Connections: 1, ResidentBytes: 1, IdleCPU: math.NaN(), ConnectsPerSecond: math.Inf(1)}}}},
		{Kind: result.KindChurn, Hold: &result.Hold{DriftBytesPerMinute: math.NaN(), Samples: []result.Sample{{Seconds: math.NaN(), ResidentBytes: -5}}}},
		{Kind: result.KindFanout, Fanout: &result.Fanout{Server: result.Cost{Micros: math.NaN(), UserMicros: math.Inf(1)}, Ratio: math.Inf(1), Ratios: []float64{math.NaN()}, Latency: result.Latency{Count: 1, Max: math.NaN(), Curve: [][2]float64{{math.NaN(), 1}, {100, math.Inf(1)}, {200, 3}, {-1, 3}}}}},
		{Kind: result.KindFanout, Fanout: &result.Fanout{Server: result.Cost{Micros: 1}, Latency: result.Latency{Count: 1}}},
		{Kind: result.KindChannels, Channels: &result.Channels{Ratios: []float64{1}, Latency: result.Latency{Count: math.MaxInt64, Max: 3}}},
		{Kind: result.KindLatency, OneToOne: &result.OneToOne{Rate: math.NaN(), Ratio: math.Inf(1), Receipt: result.Latency{Count: 1, P50: math.NaN()}, ReceiptRatio: math.NaN()}},
		{Kind: result.KindCompare, Compare: &result.Compare{Contestants: []string{"bare"}, LoadBefore: math.NaN()}},
		{Kind: result.KindCompare, Compare: &result.Compare{Contestants: []string{"bare", "a", "b"}, LoadAfter: math.Inf(1), Rows: []result.CompareRow{{Medians: []float64{math.NaN()}, ToBare: []float64{1, math.Inf(1)}, Values: [][]float64{nil}}}}},
		{Kind: result.KindStorm, Storm: &result.Storm{BackSeconds: math.NaN(), Back: [][2]float64{{math.NaN(), math.NaN()}}, Quiet: result.Latency{Count: 1}}},
		{Kind: result.KindStorm, Storm: &result.Storm{Back: [][2]float64{{0, 0}}}},
		{Kind: result.KindStorm, Storm: &result.Storm{AcceptRate: 1, Without: &result.Storm{BackSeconds: math.NaN()}}},
		{Kind: result.KindUpgrade, Upgrade: &result.UpgradeRun{PauseMillis: math.NaN(), BeyondMillis: math.Inf(1), Quiet: result.Latency{Count: 1}, Each: []result.Upgrade{{QuietMillis: math.NaN(), SilenceMillis: math.Inf(1)}}}},
		{Kind: result.KindStuck, Stuck: &result.Stuck{RatioP50: math.NaN(), RatioP99: math.Inf(1), BytesPerMessage: math.NaN()}},
		{Kind: result.KindSiege, Siege: &result.Siege{Attacks: []result.Attack{{RatioP50: math.NaN(), RatioP99: math.Inf(1)}}, Floods: make([]result.Flood, 1)}},
		{Kind: result.KindLoop, Loop: &result.Loop{Points: []result.LoopRun{{}, {Who: "a", Micros: math.NaN(), Ratios: []float64{math.NaN()}}, {Who: "a", Loops: -1, Ratios: []float64{}}}}},
	}
	for _, c := range chapters {
		odd = append(odd, bare(c.kind))
	}
	check := func(results []*result.Result) {
		for name := range writers {
			text := written(t, name, results)
			if strings.HasSuffix(name, "html") {
				text = texts(t, text)
			}
			if found := regexp.MustCompile(`NaN|Inf\b|%!`).FindString(text); found != "" {
				t.Errorf("%s of %+v holds %s", name, results[0], found)
			}
		}
		if _, err := SVGs(t.TempDir(), results); err != nil {
			t.Error(err)
		}
	}
	check(odd)
	for _, r := range odd {
		check([]*result.Result{r})
		emulated := *r
		emulated.Machine.Emulated = true
		check([]*result.Result{&emulated, r})
	}
	if page := written(t, "sample.html", odd[len(odd)-1:]); !strings.Contains(page, "no figures") {
		t.Error("nothing tells that a result has no figures")
	}
}

func TestRefused(t *testing.T) {
	for _, results := range [][]*result.Result{nil, {nil}, {samples()[0], {Kind: "speed"}}} {
		for name, write := range writers {
			if err := write(io.Discard, results); err == nil {
				t.Errorf("%s is made of %v", name, results)
			}
		}
		if _, err := SVGs(t.TempDir(), results); err == nil {
			t.Errorf("plots are made of %v", results)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := SVGs(file, samples()); err == nil {
		t.Error("plots are written into a file")
	}
	for name, write := range writers {
		if err := write(full{}, samples()); !errors.Is(err, errFull) {
			t.Errorf("%s on a full disk: %v", name, err)
		}
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestHostileTexts checks that texts in a result are escaped.
func TestHostileTexts(t *testing.T) {
	const evil = "<script>x</script>\"'><img src=x onerror=y>|`]]>\n# head\x00\xff${{.}}"
	all := samples()
	for _, r := range all {
		r.Label, r.Command = evil+r.Label, evil
		r.Machine.CPU, r.Machine.Kernel, r.Machine.Go = evil, evil, evil
		if r.Setting != nil {
			*r.Setting = result.Setting{Target: evil, Server: evil, Transport: evil, Channels: evil}
		}
		if r.Compare != nil {
			for i := range r.Compare.Contestants {
				r.Compare.Contestants[i] = evil
			}
			for i := range r.Compare.Rows {
				r.Compare.Rows[i].What, r.Compare.Rows[i].Figure, r.Compare.Rows[i].Unit = evil, evil, evil
			}
		}
		if r.Loop != nil {
			for i := range r.Loop.Points {
				r.Loop.Points[i].Who = evil
			}
		}
	}
	page := strings.ReplaceAll(written(t, "sample.html", all), "\x00", "")
	for _, tag := range []string{"<script", "<img"} {
		if strings.Contains(page, tag) {
			t.Errorf("the page has a %s>", tag)
		}
	}
	markdown := written(t, "sample.md", all)
	for line := range strings.Lines(markdown) {
		inCode := regexp.MustCompile("(`+ ).*?( `+)").ReplaceAllString(line, "")
		if strings.Contains(inCode, "<") {
			t.Errorf("Markdown has a tag: %s", inCode)
		}
		if strings.HasPrefix(line, "#") && !slices.ContainsFunc(chapters, func(c chapter) bool { return line == "### "+c.title+"\n" }) {
			t.Errorf("Markdown has a heading: %s", line)
		}
	}
	columns(t, markdown)
	dir := t.TempDir()
	names, err := SVGs(dir, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := xml.Unmarshal(data, new(struct{})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNoTimesOfEmulatedMachines checks that a report of emulated machines shows
// no times, and explains why.
func TestNoTimesOfEmulatedMachines(t *testing.T) {
	all := samples()
	for _, r := range all {
		r.Machine.Emulated = true
	}
	for name := range writers {
		text := written(t, name, all)
		if n := strings.Count(text, emulatedLine); n != 1 {
			t.Errorf("%s says %d times why times are missing", name, n)
		}
		if strings.HasSuffix(name, "html") {
			for plot := range strings.SplitSeq(text, "<svg") {
				if strings.Contains(plot, "minutes<") || strings.Contains(plot, "seconds since") {
					t.Errorf("%s has a plot over time", name)
				}
			}
			text = texts(t, text)
		}
		for _, found := range regexp.MustCompile(`.*[0-9] ?(µs|ms|s|min|h|/s|×)\b.*|.*[0-9]×.*|.*(idle|connects).*`).FindAllString(text, -1) {
			t.Errorf("%s has a time: %s", name, found)
		}
	}
	names, err := SVGs(t.TempDir(), all)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		names[i] = filepath.Base(name)
	}
	if want := []string{"hold-memory.svg", "hold-each.svg", "storm-memory.svg"}; !slices.Equal(names, want) {
		t.Errorf("plots: %v, want %v", names, want)
	}
}

func TestPlotFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	names, err := SVGs(dir, samples())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range names {
		got = append(got, filepath.Base(name))
		data, err := os.ReadFile(name)
		if err != nil || !bytes.HasPrefix(data, []byte("<svg ")) {
			t.Errorf("%s: %v, %.20s", name, err, data)
		}
	}
	want := strings.Fields(`hold-memory.svg hold-each.svg churn-memory.svg churn-descriptors.svg fanout-cost.svg fanout-latency.svg
		channels-cost.svg channels-latency.svg latency-cost.svg latency-latency.svg storm-back.svg storm-latency.svg storm-memory.svg upgrade-silence.svg loop-100-active.svg loop-1000-active.svg`)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMarkdownTables(t *testing.T) {
	text := written(t, "sample.md", samples())
	if n := columns(t, text); n < 10 {
		t.Errorf("%d tables, want 10 and more", n)
	}
	for _, want := range []string{"(**interrupted**)", "(**failed: 3 lost**)", "(emulated)", "`ccomet-bench storm ", "on a virtual machine with 2 cores"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

// columns checks that all rows of a table have the same number of cells, and
// returns the number of tables.
func columns(t *testing.T, markdown string) (tables int) {
	t.Helper()
	cells := regexp.MustCompile(`(^|[^\\])\|`)
	want := 0
	for line := range strings.Lines(markdown) {
		if !strings.HasPrefix(line, "|") {
			want = 0
			continue
		}
		n := len(cells.FindAllString(line, -1))
		if want == 0 {
			want = n
			tables++
		}
		if n != want {
			t.Errorf("%d cells where the head has %d: %s", n-1, want-1, line)
		}
	}
	return tables
}

// TestMarks checks that every place that names a bad result has its marks.
func TestMarks(t *testing.T) {
	r := samples()[0]
	r.Interrupted = true
	r.Hold.Check.Doubled, r.Hold.Check.Dropped = 2, 1
	for name := range writers {
		if text := written(t, name, []*result.Result{r}); !strings.Contains(text, "interrupted") || !strings.Contains(text, "failed: 2 doubled, 1 connection dropped") {
			t.Errorf("%s does not report an error", name)
		}
	}
	page := written(t, "sample.html", []*result.Result{r})
	for part := range strings.SplitSeq(page, "<svg ") {
		if svg, _, ok := strings.Cut(part, "</svg>"); ok && !strings.Contains(svg, "interrupted") {
			t.Error("a plot does not tell that its result was interrupted")
		}
	}
}

func TestNamesDiffer(t *testing.T) {
	var all []*result.Result
	for i, s := range []result.Setting{
		{Transport: "stream", Channels: "shared", Connections: 5}, {Transport: "stream", Channels: "own", Connections: 5},
		{Transport: "sse", Channels: "own", Connections: 5}, {Transport: "stream", Channels: "own", Connections: 7},
	} {
		r := sample(result.KindHold, "a", i)
		r.Setting = &s
		all = append(all, r, r)
	}
	all[1] = sample(result.KindHold, "b", 0)
	of := entries(all)
	distinguish(of)
	var got []string
	for _, e := range of {
		got = append(got, e.Name)
	}
	day := ", 23 November 2026, 09:0"
	want := []string{"a, stream, one channel", "b",
		"a, stream, own channels, 5 connections", "a, stream, own channels, 5 connections #2",
		"a, sse", "a, sse #2",
		"a, stream, own channels, 7 connections", "a, stream, own channels, 7 connections #2"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	twins := entries([]*result.Result{sample(result.KindHold, "a", 1), sample(result.KindHold, "a", 2)})
	distinguish(twins)
	for i, e := range twins {
		if want := fmt.Sprintf("a%s%d UTC", day, i+1); e.Name != want {
			t.Errorf("got %q, want %q", e.Name, want)
		}
	}
}
