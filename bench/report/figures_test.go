package report

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"ccomet/bench/result"
)

// shownAs tells how each field of a result is written. The test fails for a
// field that is in neither list: each figure must be shown, or listed in
// notShown.
var shownAs = map[string]func(float64) string{
	"Seconds": seconds, "Cores": integer, "MemoryBytes": tick(memory),
	"Connections": integer, "Clients": integer, "SizeBytes": memory, "ChurnShare": percent,
	"Expected": integer, "Received": integer, "Lost": integer, "Doubled": integer, "Disordered": integer, "Damaged": integer, "Dropped": integer,
	"VirtualBytes": memory, "ResidentBytes": memory, "ProportionalBytes": memory, "SocketBytes": memory,
	"Descriptors": integer, "IdleCPU": percent, "ConnectsPerSecond": rate,
	"SlopeBytes": each, "FurtherBytes": each, "Several": integer, "EndBytes": each, "KernelSlopeBytes": each, "Returned": integer, "DriftBytesPerMinute": memory,
	"DescriptorsAtStart": integer, "DescriptorsAtTheEnd": integer,
	"Count": integer, "Mean": micros, "P50": micros, "P90": micros, "P99": micros, "P999": micros, "Max": micros,
	"Micros": micros, "UserMicros": micros, "Ratios": times, "Ratio": times,
	"Messages": integer, "Burst": integer, "Rounds": integer, "DeliveriesPerSecond": rate,
	"Publishes": integer, "PublishesPerSecond": rate, "BurstRatio": times,
	"LoadBefore": digits, "LoadAfter": digits, "Medians": digits, "ToBare": times, "OursTo": times,
	"Rate": rate, "Depth": integer, "ReceiptRatio": times, "AnswerRatio": times,
	"BackSeconds": seconds, "Refused": integer, "ResidentBefore": memory, "ResidentPeak": memory, "ResidentAfter": memory,
	"ServerSeconds": seconds, "AcceptRate": integer,
	"Publishers": integer, "Churn": integer, "Idle": integer, "IdleHistory": integer, "Published": integer, "PeakBytes": memory, "BytesBefore": memory, "MoreBytes": memory,
	"PauseMillis": millis, "PauseMostMillis": millis, "BeyondMillis": millis, "BeyondMostMillis": millis,
	"Readers": integer, "RatioP50": times, "RatioP99": times, "BytesPerMessage": bytesOf, "QuietBytesPerMessage": bytesOf, "BytesPerReader": bytesOf,
	"Cut": integer, "CutSeconds": seconds, "Resumed": integer, "Told": integer,
	"Slots": integer, "Failed": integer, "SentBytes": memory, "CeilingBytes": memory, "PromisedBytes": memory,
	"Writes": integer, "Runs": integer, "Pairs": integer, "Active": integer, "Loops": integer,
}

// notShown lists the fields that no text shows: those that only plots show,
// parts of another figure, and those that are no figures of a measurement.
var notShown = []string{
	"Schema",
	"Curve", "Back", // in plots only
	"Hold.Samples.KernelBytes", "Hold.Empty.KernelBytes", // shown per connection
	"Hold.Samples.Seconds", "Hold.Empty.Seconds",
	"Hold.Samples.ProgramBytes", "Hold.Empty.ProgramBytes", // not part of the slope
	"Loop.Points.Ratios",  // the median is shown
	"Compare.Rows.Values", // the median is shown
}

// notShownIn lists the prefixes of fields of which only medians or sums are
// shown.
var notShownIn = []string{"Stuck.Quiet.", "Stuck.Beside.", "Upgrade.Each.", "Siege.Attacks.Rounds.", "Siege.Floods.Latency.", "Siege.Floods.Newcomers."}

func integer(v float64) string { return decimal(v, 0) }

func millis(v float64) string { return micros(1e3 * v) }

func TestEveryFigureIsShown(t *testing.T) {
	for i, r := range samples() {
		if r.Machine.Emulated {
			continue
		}
		page := texts(t, written(t, "sample.html", []*result.Result{r}))
		figures(t, reflect.ValueOf(r).Elem(), "", func(path string, v float64) {
			field := path[strings.LastIndexByte(path, '.')+1:]
			in := func(beginning string) bool { return strings.HasPrefix(path, beginning) }
			if slices.Contains(notShown, path) || slices.Contains(notShown, field) || slices.ContainsFunc(notShownIn, in) {
				return
			}
			if r.Kind == result.KindChurn && strings.Contains(path, "Samples") || r.Kind == result.KindChurn && strings.Contains(path, "Empty") {
				return // in plots only
			}
			write := shownAs[field]
			if write == nil {
				t.Fatalf("%s: decide how it is shown", path)
			}
			if want := write(v); v != 0 && !strings.Contains(page, want) {
				t.Errorf("sample %d, %s: %s is %v, and %q is nowhere", i, r.Kind, path, v, want)
			}
		})
		for _, want := range []string{r.Label, r.Command, r.Machine.CPU, r.Machine.Kernel, "23 November 2026"} {
			if !strings.Contains(page, want) {
				t.Errorf("sample %d: no %q", i, want)
			}
		}
	}
}

// figures calls f for all numbers of a result.
func figures(t *testing.T, v reflect.Value, path string, f func(path string, v float64)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			figures(t, v.Elem(), path, f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				figures(t, v.Field(i), strings.TrimPrefix(path+"."+field.Name, "."), f)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			figures(t, v.Index(i), path, f)
		}
	case reflect.Int, reflect.Int64:
		f(path, float64(v.Int()))
	case reflect.Float64:
		f(path, v.Float())
	}
}
