package configfile

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// readTOML reads TOML without tables, whose keys are names of flags. After a syntax error
// it continues with the next line, so that all mistakes are reported together.
func (f *File) readTOML(text []byte) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	for line := 0; len(text) > 0; {
		var p unstable.Parser
		p.Reset(text)
		for p.NextExpression() {
			f.tomlExpression(&p, line)
		}
		bad := new(unstable.ParserError)
		if !errors.As(p.Error(), &bad) {
			return
		}
		at := int(p.Range(bad.Highlight).Offset)
		line += 1 + bytes.Count(text[:at], []byte("\n"))
		f.complain(line, "", "%s", bad.Message)
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			return
		}
		text = text[at+end+1:]
	}
}

// tomlKeys counts the keys and tables of a text. ok is false if it is not TOML.
func tomlKeys(text []byte) (n int, ok bool) {
	var p unstable.Parser
	p.Reset(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	for p.NextExpression() {
		n++
	}
	return n, p.Error() == nil
}

// tomlExpression handles one "key = value". before is the number of lines before the parsed
// text.
func (f *File) tomlExpression(p *unstable.Parser, before int) {
	node := p.Expression()
	var parts []string
	line := 0
	for key := node.Key(); key.Next(); {
		if line == 0 {
			line = before + p.Shape(key.Node().Raw).Start.Line
		}
		parts = append(parts, string(key.Node().Data))
	}
	key := strings.Join(parts, ".")
	if node.Kind != unstable.KeyValue {
		f.complain(line, "["+key+"]", "want keys without tables, as in: loops = 2")
		return
	}
	if f.flags[key] == nil {
		f.complain(line, key, "%s", unknown("key", key, slices.Collect(maps.Keys(f.flags))))
		return
	}
	if first, ok := f.Entries[key]; ok {
		f.complain(line, key, "is already set on line %d", first.line)
		return
	}
	f.set(key, entry{line, key, tomlValue(node.Value())})
}

// tomlValue converts a value to the form in an entry.
func tomlValue(node *unstable.Node) any {
	switch node.Kind {
	case unstable.String:
		return string(node.Data)
	case unstable.Bool:
		return string(node.Data) == "true"
	case unstable.Integer:
		var number struct{ V int64 }
		if toml.Unmarshal(append([]byte("V = "), node.Data...), &number) == nil {
			return number.V
		}
	case unstable.Array:
		list := []any{}
		for items := node.Children(); items.Next(); {
			if items.Node().Kind != unstable.Comment {
				list = append(list, tomlValue(items.Node()))
			}
		}
		return list
	case unstable.InlineTable:
		return literal("a table")
	}
	return literal(node.Data)
}
