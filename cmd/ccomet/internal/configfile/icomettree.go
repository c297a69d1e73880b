package configfile

import (
	"bytes"
	"slices"
	"strings"
)

// An icomet.conf is a tree. A line is "key: value" or "key = value". Its parent is the
// nearest line above with one TAB less. A line that begins with # is a comment.

// icometNode is a line with the lines below it in the tree.
type icometNode struct {
	line       int // 0: the root
	key, value string
	parent     *icometNode
	children   []*icometNode
}

// icometTree parses the lines. An invalid line adds a problem, and is left out.
func (f *File) icometTree(text []byte) *icometNode {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	root := &icometNode{}
	last, depth := root, 0 // the previous line, and the number of its TABs
	for i, raw := range strings.Split(string(text), "\n") {
		rest := strings.TrimLeft(strings.TrimRight(raw, " \t\r\v\f"), "\t")
		if bare := strings.TrimLeft(rest, " \t\r\v\f"); bare == "" || bare[0] == '#' {
			continue
		}
		indent := len(raw) - len(strings.TrimLeft(raw, "\t"))
		switch {
		case strings.ContainsRune(" \r\v\f", rune(rest[0])):
			f.complain(i+1, "", "indented with spaces: want TABs only")
			continue
		case indent > depth+1:
			f.complain(i+1, "", "indented by %d TABs: want at most %d, one more than its section", indent, depth+1)
			continue
		}
		key, value, ok := cutAny(rest, ":=")
		key = strings.TrimSpace(key)
		if !ok {
			f.complain(i+1, "", "want KEY: VALUE, not %q", rest)
		}
		parent := last // one TAB more than the previous line is a child of it
		for ; depth >= indent && parent.parent != nil; depth-- {
			parent = parent.parent
		}
		last, depth = &icometNode{line: i + 1, key: key, value: withoutComment(value), parent: parent}, indent
		parent.children = append(parent.children, last)
	}
	return root
}

// cutAny cuts s at the first byte that is in chars.
func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// withoutComment removes white space around a value, and a comment after it. iComet reads a
// number up to that comment.
func withoutComment(value string) string {
	for i := range len(value) {
		if value[i] == '#' && (i == 0 || value[i-1] == ' ' || value[i-1] == '\t') {
			value = value[:i]
			break
		}
	}
	return strings.TrimSpace(value)
}

// path returns the keys from the top section to the node, joined by dots.
func (n *icometNode) path() string {
	if n.parent == nil || n.parent.line == 0 {
		return n.key
	}
	return n.parent.path() + "." + n.key
}

// isIComet reports whether a text is an icomet.conf. known is false if the text does not
// tell.
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
		colon := line[at] == ':' && isBareKey(key) // TOML never has a colon there
		if colon || slices.Contains(icometSections, key) && withoutComment(line[at+1:]) == "" {
			return true, true
		}
	}
	return false, false
}

// isBareKey reports whether a text is a valid unquoted key of TOML.
func isBareKey(text string) bool {
	for _, c := range []byte(text) {
		if letter := c|0x20 >= 'a' && c|0x20 <= 'z'; !letter && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return text != ""
}
