package report

import (
	"fmt"
	"slices"
	"strings"

	"ccomet/bench/result"
)

// A place of a document for the tables of a kind of result, on lines of their own.
const (
	placeBegin = "<!-- bench: "
	placeEnd   = "<!-- bench end -->"
)

// Update returns a Markdown document with the tables of the results where it has a
// place for them, in place of what stood there:
//
//	<!-- bench: fanout -->
//	<!-- bench end -->
//
// It fails where a place is of no kind that there is a result of, has no end, or
// where a result has no place: a document must not mix figures of several days
// unseen.
func Update(document string, results []*result.Result) (string, error) {
	p, err := newPage(results)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	var placed []string
	for {
		before, rest, found := strings.Cut(document, placeBegin)
		out.WriteString(before)
		if !found {
			break
		}
		kind, rest, closed := strings.Cut(rest, " -->\n")
		_, after, ended := strings.Cut(rest, placeEnd)
		if !closed || !ended {
			return "", fmt.Errorf("the place %q has no end: want %s behind it", oneLine(kind), placeEnd)
		}
		at := slices.IndexFunc(p.Sections, func(s section) bool { return s.ID == kind })
		if at < 0 {
			return "", fmt.Errorf("the document has a place for %q, and there is no result of that kind", kind)
		}
		placed = append(placed, kind)
		fmt.Fprintf(&out, "%s%s -->\n", placeBegin, kind)
		p.Sections[at].markdown(&out)
		out.WriteString("\n" + placeEnd)
		document = after
	}
	for _, s := range p.Sections {
		if !slices.Contains(placed, s.ID) {
			return "", fmt.Errorf("the document has no place for %q: want %s%s --> and %s", s.ID, placeBegin, s.ID, placeEnd)
		}
	}
	return out.String(), nil
}
