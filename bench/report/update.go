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
// It fails where a place has no end, or is of no kind that there is a result of: a
// document must not have figures of several days unseen. A result without a place is
// left out.
func Update(document string, results []*result.Result) (string, error) {
	p, err := newPage(results)
	if err != nil {
		return "", err
	}
	var out strings.Builder
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
		fmt.Fprintf(&out, "%s%s -->\n", placeBegin, kind)
		p.Sections[at].markdown(&out)
		out.WriteString("\n" + placeEnd)
		document = after
	}
	return out.String(), nil
}
