package configfile

import (
	"bytes"
	"slices"
	"strings"
)

// iComet's configuration file is a tree. A line is "key: value" or "key = value"
// and stands in the section above it that has one TAB less; a line that begins
// with # is a comment.

// icometNode is a line that says something, with those that stand in it.
type icometNode struct {
	line       int // 0 for the file itself
	key, value string
	parent     *icometNode
	children   []*icometNode
}

// icometTree reads the lines. What is none is complained of, and left out.
func (f *File) icometTree(text []byte) *icometNode {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	root := &icometNode{}
	last, depth := root, 0 // the line before, and its TABs
	for i, raw := range strings.Split(string(text), "\n") {
		rest := strings.TrimLeft(strings.TrimRight(raw, " \t\r\v\f"), "\t")
		if bare := strings.TrimLeft(rest, " \t\r\v\f"); bare == "" || bare[0] == '#' {
			continue
		}
		indent := len(raw) - len(strings.TrimLeft(raw, "\t"))
		switch {
		case strings.ContainsRune(" \r\v\f", rune(rest[0])):
			f.complain(i+1, "", "indented by spaces: want TABs only")
			continue
		case indent > depth+1:
			f.complain(i+1, "", "indented by %d TABs: want %d at most, one more than the section that it stands in", indent, depth+1)
			continue
		}
		key, value, ok := cutAny(rest, ":=")
		key = strings.TrimSpace(key)
		if !ok {
			f.complain(i+1, "", "want KEY: VALUE, not %q", rest)
		}
		parent := last // of one TAB more; the first line may have one, too
		for ; depth >= indent && parent.parent != nil; depth-- {
			parent = parent.parent
		}
		last, depth = &icometNode{line: i + 1, key: key, value: withoutComment(value), parent: parent}, indent
		parent.children = append(parent.children, last)
	}
	return root
}

// cutAny cuts round the first of some characters.
func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// withoutComment drops the blanks round a value, and a comment behind it: iComet
// reads a number up to there.
func withoutComment(value string) string {
	for i := range len(value) {
		if value[i] == '#' && (i == 0 || value[i-1] == ' ' || value[i-1] == '\t') {
			value = value[:i]
			break
		}
	}
	return strings.TrimSpace(value)
}

// path is the node's key, after those that it stands in, with dots.
func (n *icometNode) path() string {
	if n.parent == nil || n.parent.line == 0 {
		return n.key
	}
	return n.parent.path() + "." + n.key
}

// isIComet tells from its text whether a file is iComet's; known is false where
// the text leaves that open.
func isIComet(text []byte) (is, known bool) {
	if keys, ok := tomlKeys(text); ok {
		return false, keys > 0
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		at := strings.IndexAny(line, ":=")
		if at < 0 {
			continue
		}
		key := strings.TrimSpace(line[:at])
		colon := line[at] == ':' && isBareKey(key) // which no TOML has there
		if colon || slices.Contains(icometSections, key) && withoutComment(line[at+1:]) == "" {
			return true, true
		}
	}
	return false, false
}

// isBareKey says whether a text can be a key that is not quoted.
func isBareKey(text string) bool {
	for _, c := range []byte(text) {
		if letter := c|0x20 >= 'a' && c|0x20 <= 'z'; !letter && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return text != ""
}
