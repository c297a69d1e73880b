package report

import (
	"fmt"
	"io"
	"strings"
)

// markdown writes the tables that are not details, and below each section's
// tables where and how it was measured.
func (p *page) markdown(w io.Writer) error {
	var b strings.Builder
	for i, s := range p.Sections {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "### %s\n", escape(s.Title))
		s.markdown(&b)
	}
	if p.Emulated {
		fmt.Fprintf(&b, "\n%s\n", emulatedLine)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s section) markdown(b *strings.Builder) {
	for _, t := range s.Tables {
		if !t.Detail {
			t.markdown(b)
		}
	}
	b.WriteString("\n")
	s.measured(b)
}

func (t table) markdown(b *strings.Builder) {
	b.WriteString("\n")
	if t.Title != "" {
		fmt.Fprintf(b, "%s:\n\n", escape(t.Title))
	}
	line := func(cells []string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }
	heads, rules := make([]string, len(t.Heads)), make([]string, len(t.Heads))
	for i, h := range t.Heads {
		heads[i], rules[i] = escape(h), "--:"
		if i == 0 || t.Words(i) {
			rules[i] = ":--"
		}
	}
	line(heads)
	line(rules)
	for _, g := range t.Groups {
		for _, r := range g.Rows {
			name := r.Name
			if g.Name != "" {
				name = g.Name + ": " + name
			}
			cells := []string{escape(name) + markTexts(append(g.Marks, r.Marks...))}
			for _, c := range r.Cells {
				cells = append(cells, escape(c))
			}
			line(cells)
		}
	}
	if t.Note != "" {
		fmt.Fprintf(b, "\n%s\n", escape(t.Note))
	}
}

// markTexts writes the marks after a name; bad ones are bold.
func markTexts(marks []mark) string {
	var texts []string
	for _, m := range marks {
		text := escape(m.Text)
		if m.Bad {
			text = "**" + text + "**"
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return ""
	}
	return " (" + strings.Join(texts, ", ") + ")"
}

// measured writes where, when and by which command the results were measured.
// What all of them have in common is written once.
func (s section) measured(b *strings.Builder) {
	where := func(r run) string {
		var parts []string
		if r.Machine != "" {
			parts = append(parts, "on "+r.Machine)
		}
		if r.Day != "" {
			parts = append(parts, r.Day)
		}
		if r.Commit != "" {
			parts = append(parts, "commit "+r.Commit)
		}
		return strings.Join(parts, ", ")
	}
	common := where(s.Runs[0])
	for _, r := range s.Runs {
		if where(r) != common {
			common = ""
		}
	}
	if common != "" {
		fmt.Fprintf(b, "Measured %s:\n\n", escape(common))
	}
	for _, r := range s.Runs {
		var parts []string
		if r.Command != "" {
			parts = append(parts, code(r.Command))
		}
		if w := where(r); common == "" && w != "" {
			parts = append(parts, escape(w))
		}
		if len(parts) > 0 {
			fmt.Fprintf(b, "* %s: %s\n", escape(r.Name), strings.Join(parts, ", "))
		}
	}
}

// escape returns a text as Markdown that shows it literally, on one line, also
// in tables.
func escape(s string) string {
	var b strings.Builder
	for _, r := range oneLine(s) {
		switch {
		case r == '<':
			b.WriteString("&lt;")
			continue
		case r == '&':
			b.WriteString("&amp;")
			continue
		case strings.ContainsRune("\\`*_[]|~#!$@", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// code writes a text as code, with as many backticks as it needs.
func code(s string) string {
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		s = " " + s + " "
	}
	return fence + s + fence
}
