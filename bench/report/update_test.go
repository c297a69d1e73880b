package report

import (
	"strings"
	"testing"

	"ccomet/bench/result"
)

func TestUpdate(t *testing.T) {
	storm := sampleStorm("ccomet", 12, 1.87, 19<<20)
	storm.Commit = "1234abc"
	results := []*result.Result{storm, sampleStuck(16)}
	const document = "# Title\n\nBefore.\n\n<!-- bench: storm -->\nold figures\n<!-- bench end -->\n\nBetween.\n\n<!-- bench: stuck -->\n<!-- bench end -->\n\nAfter.\n"
	got, err := Update(document, results)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Title\n\nBefore.\n\n<!-- bench: storm -->\n", "| 1.87 s |", "commit 1234abc:", "`ccomet-bench storm ", "\n<!-- bench end -->\n\nBetween.\n", "\nAfter.\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "old figures") || columns(t, got) < 3 {
		t.Errorf("got\n%s", got)
	}
	if again, err := Update(got, results); err != nil || again != got {
		t.Errorf("it changes although nothing has changed: %v\n%s", err, again)
	}
	for document, want := range map[string]string{
		"<!-- bench: speed -->\n<!-- bench end -->": `a place for "speed", but there is no result`,
		"<!-- bench: storm -->\n":                   `the place "storm" has no end`,
		"<!-- bench: storm":                         `has no end`,
	} {
		if _, err := Update(document, results); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", document, err, want)
		}
	}
	if _, err := Update(document, nil); err == nil {
		t.Error("a document without results")
	}
}
