// Package configfile reads settings from a file, which is TOML or an icomet.conf.
package configfile

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"ccomet/cmd/ccomet/internal/settings"
)

// File is a configuration file: TOML or an icomet.conf. It resolves the flags that neither
// the command line nor the environment sets.
type File struct {
	name     string
	icomet   bool // it is an icomet.conf
	flags    map[string]*kong.Flag
	Entries  map[string]entry // by flag name
	problems []problem
	resolve  func(host string) (string, error)
}

// entry is one setting of a file.
type entry struct {
	line  int    // 0 if the file does not contain it, but implies it
	key   string // the key's spelling in the file
	Value any    // bool, int64, string, []any, or literal
}

// literal is the text of a value whose type no setting has.
type literal string

// problem is a mistake or a warning at one place of a file.
type problem struct {
	file    string
	line    int    // 0: the whole file
	key     string // "" if it is unknown
	reason  string
	Warning bool
}

func (p problem) Error() string {
	place := p.file
	if p.line > 0 {
		place = fmt.Sprintf("%s:%d", p.file, p.line)
	}
	if p.key != "" {
		place += ": " + p.key
	}
	return place + ": " + p.reason
}

// Read reads a file with values for flags. Its text determines whether it is TOML or an
// icomet.conf; if both are possible, implied or the file's name decides. Mistakes become
// problems of the file; an error means that the file cannot be read.
func Read(name string, flags []*kong.Flag, implied settings.Compat) (*File, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, err // the error names the file
	}
	f := newFile(name, flags)
	is, known := isIComet(text)
	if !known {
		is = implied == settings.CompatIComet || strings.HasSuffix(name, ".conf")
	}
	if f.icomet = is; is {
		f.readIComet(text)
	} else {
		f.readTOML(text)
	}
	return f, nil
}

// readFile reads a file. If that takes long, because the file is a pipe, it tells the user.
func readFile(name string) ([]byte, error) {
	tell := time.AfterFunc(slowRead, func() {
		fmt.Fprintf(os.Stderr, "%s: waiting for the process that writes to this file\n", name)
	})
	defer tell.Stop()
	return os.ReadFile(name)
}

// slowRead is how long reading may take before the user is told.
const slowRead = 500 * time.Millisecond

func newFile(name string, flags []*kong.Flag) *File {
	f := &File{name: name, flags: map[string]*kong.Flag{}, Entries: map[string]entry{}, resolve: resolve}
	for _, flag := range flags {
		if flag.Name != "config" && flag.Name != "help" {
			f.flags[flag.Name] = flag
		}
	}
	return f
}

// Wrong returns all mistakes, without the warnings, or nil.
func (f *File) Wrong() error {
	var errs []error
	for _, p := range f.InOrder() {
		if !p.Warning {
			errs = append(errs, p)
		}
	}
	return errors.Join(errs...)
}

// InOrder returns the problems in the order of the lines. Those of the whole file come
// first.
func (f *File) InOrder() []problem {
	slices.SortStableFunc(f.problems, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	return f.problems
}

// complain adds a mistake at a line.
func (f *File) complain(line int, key, format string, args ...any) {
	f.problems = append(f.problems, problem{file: f.name, line: line, key: key, reason: fmt.Sprintf(format, args...)})
}

// warn adds a warning at a line.
func (f *File) warn(line int, key, format string, args ...any) {
	f.complain(line, key, format, args...)
	f.problems[len(f.problems)-1].Warning = true
}

// About returns a problem of a setting, at its line in the file.
func (f *File) About(name, reason string) problem {
	e := f.Entries[name]
	return problem{file: f.name, line: e.line, key: cmp.Or(e.key, name), reason: reason}
}

// set stores a setting, or adds a problem if its flag does not accept the value.
func (f *File) set(name string, e entry) {
	if err := fits(f.flags[name], e.Value); err != nil {
		f.complain(e.line, e.key, "%v", err)
		return
	}
	f.Entries[name] = e
}

// fits returns an error if a flag does not accept a value of the file.
func fits(flag *kong.Flag, value any) error {
	given, err := flagValue(flag, value)
	if err != nil || given == nil {
		return err
	}
	token := kong.Token{Type: kong.FlagValueToken, Value: given}
	scratch := reflect.New(flag.Target.Type()).Elem()
	return flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: kong.ScanFromTokens(token)}, scratch)
}

// flagValue converts a value of the file to the form that the flag's decoder accepts. It
// returns nil for a value that means the default.
func flagValue(flag *kong.Flag, value any) (any, error) {
	kind := flag.Target.Kind()
	switch v := value.(type) {
	case bool:
		if kind == reflect.Bool {
			return v, nil
		}
	case int64:
		if kind == reflect.Int || isTime(flag) {
			return fmt.Sprint(v), nil
		}
	case literal:
		if _, err := strconv.ParseFloat(string(v), 64); err == nil && flag.Target.Type() == reflect.TypeFor[settings.DrainTime]() {
			return string(v), nil
		}
	case string:
		if kind == reflect.Slice {
			return []any{v}, nil
		}
		if kind != reflect.Bool && kind != reflect.Int {
			return v, nil
		}
		value = fmt.Sprintf("%q", v)
	case []any:
		if kind != reflect.Slice {
			value = "a list"
			break
		}
		for _, item := range v {
			if _, ok := item.(string); !ok {
				return nil, fmt.Errorf("want strings in the list, not %v", item)
			}
		}
		if len(v) > 0 {
			return v, nil
		}
		if flag.HasDefault {
			return nil, errors.New("want at least one")
		}
		return nil, nil
	}
	return nil, fmt.Errorf("want %s, not %v", wanted(flag), value)
}

// isTime reports whether a flag accepts seconds.
func isTime(flag *kong.Flag) bool {
	return flag.Target.Type() == reflect.TypeFor[settings.Seconds]() || flag.Target.Type() == reflect.TypeFor[settings.DrainTime]()
}

func wanted(flag *kong.Flag) string {
	switch {
	case isTime(flag):
		return "seconds"
	case flag.Target.Kind() == reflect.Bool:
		return "true or false"
	case flag.Target.Kind() == reflect.Int:
		return "a whole number"
	case flag.Target.Kind() == reflect.Slice:
		return "a string or a list of strings"
	}
	return "a string"
}

// Validate does nothing: all keys were checked when the file was read.
func (f *File) Validate(*kong.Application) error { return nil }

// Resolve returns a flag's value in the file, or nil.
func (f *File) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	e, ok := f.Entries[flag.Name]
	if !ok || EnvironmentHas(flag) {
		return nil, nil
	}
	return flagValue(flag, e.Value)
}

// EnvironmentHas reports whether an environment variable sets a flag.
func EnvironmentHas(flag *kong.Flag) bool {
	return slices.ContainsFunc(flag.Envs, func(name string) bool {
		_, ok := os.LookupEnv(name)
		return ok
	})
}

// unknown is the error for an unknown key. It suggests the most similar known one.
func unknown(what, key string, known []string) string {
	text := "unknown " + what
	if near := nearest(key, known); near != "" {
		text += ": did you mean " + near + "?"
	}
	return text
}

// nearest returns the known word with the smallest edit distance, or "" if none is similar.
func nearest(word string, known []string) string {
	plain := strings.NewReplacer("_", "", "-", "")
	best, found := 1+len(word)/4, ""
	for _, candidate := range slices.Sorted(slices.Values(known)) {
		if d := editDistance(plain.Replace(strings.ToLower(word)), plain.Replace(candidate)); d <= best {
			best, found = d-1, candidate
		}
	}
	return found
}

// editDistance returns the edit distance of two words: insertions, deletions and substitutions of
// bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
