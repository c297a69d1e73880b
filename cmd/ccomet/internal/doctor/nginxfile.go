package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// nginxDirective is a directive of nginx's configuration, with its block.
type nginxDirective struct {
	name   string
	args   []string
	block  []*nginxDirective // nil: no block
	parent *nginxDirective   // nil at the top level
	file   string
	line   int
}

// place returns the directive's file and line.
func (d *nginxDirective) place() string { return fmt.Sprintf("%s:%d", d.file, d.line) }

// NginxConfig is a configuration with all included files.
type NginxConfig struct {
	files fs.FS // rooted at /
	dir   string
	main  string
	depth int
	top   nginxDirective
}

// maxIncludes is the maximum depth of includes.
const maxIncludes = 20

// ReadNginxConfig reads a file, of an absolute path, and the files that it includes.
// Relative paths start at the file's directory, as in nginx.
func ReadNginxConfig(files fs.FS, name string) (*NginxConfig, error) {
	c := &NginxConfig{files: files, dir: path.Dir(name), main: name}
	if err := c.read(name, &c.top); err != nil {
		return nil, err
	}
	return c, nil
}

// read appends the directives of a file to a block.
func (c *NginxConfig) read(name string, into *nginxDirective) error {
	if c.depth == maxIncludes {
		return fmt.Errorf("%s: files include each other more than %d deep", name, maxIncludes)
	}
	c.depth++
	defer func() { c.depth-- }()
	text, err := fs.ReadFile(c.files, strings.TrimPrefix(path.Clean(name), "/"))
	if err != nil {
		if inner := new(fs.PathError); errors.As(err, &inner) {
			err = inner.Err // its path lacks the root
		}
		return fmt.Errorf("nginx's configuration %s: %w", name, err)
	}
	words := &nginxWords{file: name, text: string(text), line: 1}
	return c.readBlock(words, into, false)
}

// readBlock reads directives up to the end of the file, or of the block if nested.
func (c *NginxConfig) readBlock(words *nginxWords, into *nginxDirective, nested bool) error {
	for {
		word, quoted, err := words.next()
		if err != nil {
			return err
		}
		switch {
		case quoted:
		case word == "":
			if nested {
				return words.wrong(fmt.Sprintf("the file ends within %q, begun in line %d", into.name, into.line))
			}
			return nil
		case word == "}":
			if !nested {
				return words.wrong(`a "}" that ends nothing`)
			}
			return nil
		case word == ";" || word == "{":
			return words.wrong(fmt.Sprintf("%q where a directive begins", word))
		}
		d := &nginxDirective{name: word, parent: into, file: words.file, line: words.line}
		if err := c.readDirective(words, d); err != nil {
			return err
		}
		if d.name == "include" && d.block == nil {
			err = c.include(d, into)
		} else {
			into.block = append(into.block, d)
		}
		if err != nil {
			return err
		}
	}
}

// readDirective reads the arguments and the block of a directive.
func (c *NginxConfig) readDirective(words *nginxWords, d *nginxDirective) error {
	for {
		word, quoted, err := words.next()
		switch {
		case err != nil:
			return err
		case !quoted && word == ";":
			return nil
		case !quoted && word == "{":
			if strings.HasSuffix(d.name, "_by_lua_block") {
				return words.skipBlock()
			}
			d.block = []*nginxDirective{}
			return c.readBlock(words, d, true)
		case !quoted && (word == "" || word == "}"):
			return words.wrong(fmt.Sprintf("%q, begun in line %d, ends without a \";\"", d.name, d.line))
		}
		d.args = append(d.args, word)
	}
}

// include appends the directives of included files. A pattern need not match any file.
func (c *NginxConfig) include(d, into *nginxDirective) error {
	if len(d.args) != 1 {
		return fmt.Errorf("%s: include: want one file, or a pattern of files", d.place())
	}
	name := d.args[0]
	if !path.IsAbs(name) {
		name = path.Join(c.dir, name)
	}
	if !strings.ContainsAny(name, "*?[") {
		return c.read(name, into)
	}
	names, err := fs.Glob(c.files, strings.TrimPrefix(name, "/"))
	if err != nil {
		return fmt.Errorf("%s: include %q: %w", d.place(), d.args[0], err)
	}
	for _, name := range names {
		if err := c.read("/"+name, into); err != nil {
			return err
		}
	}
	return nil
}

// nginxWords splits a file into words: names, values, and ";", "{" and "}".
type nginxWords struct {
	file string
	text string // the rest
	line int
}

func (w *nginxWords) wrong(reason string) error {
	return fmt.Errorf("%s:%d: %s", w.file, w.line, reason)
}

// take consumes n bytes.
func (w *nginxWords) take(n int) string {
	taken := w.text[:n]
	w.line += strings.Count(taken, "\n")
	w.text = w.text[n:]
	return taken
}

const nginxSpace = " \t\r\n"

// next returns the next word, or "" at the end.
func (w *nginxWords) next() (word string, quoted bool, err error) {
	for {
		w.take(len(w.text) - len(strings.TrimLeft(w.text, nginxSpace)))
		if !strings.HasPrefix(w.text, "#") {
			break
		}
		end := strings.IndexByte(w.text, '\n')
		if end < 0 {
			end = len(w.text)
		}
		w.take(end)
	}
	if w.text == "" {
		return "", false, nil
	}
	switch w.text[0] {
	case ';', '{', '}':
		return w.take(1), false, nil
	case '"', '\'':
		word, err = w.quotedWord()
		return word, true, err
	}
	return w.plainWord(), false, nil
}

// quotedWord consumes a word in quotes.
func (w *nginxWords) quotedWord() (string, error) {
	var b strings.Builder
	for i := 1; i < len(w.text); i++ {
		switch w.text[i] {
		case w.text[0]:
			w.take(i + 1)
			return b.String(), nil
		case '\\':
			if i+1 < len(w.text) {
				i++
			}
		}
		b.WriteByte(w.text[i])
	}
	return "", w.wrong("a quoted word without an end")
}

// plainWord consumes a word without quotes. A variable may be in braces.
func (w *nginxWords) plainWord() string {
	for i := 0; i < len(w.text); i++ {
		switch b := w.text[i]; {
		case b == '\\':
			i++
		case b == '$' && strings.HasPrefix(w.text[i+1:], "{"):
			if end := strings.IndexByte(w.text[i:], '}'); end > 0 {
				i += end
			}
		case b == ';' || b == '{' || strings.IndexByte(nginxSpace, b) >= 0:
			return w.take(i)
		}
	}
	return w.take(len(w.text))
}

// skipBlock skips a block of another language, up to the closing brace.
func (w *nginxWords) skipBlock() error {
	depth := 1
	for i := 0; i < len(w.text); i++ {
		switch w.text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				w.take(i + 1)
				return nil
			}
		}
	}
	return w.wrong("a block of Lua without an end")
}
