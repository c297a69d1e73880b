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

// File is a file with settings: TOML, or iComet's own. It resolves the flags that neither the command line nor the
// environment has set.
type File struct {
	name     string
	icomet   bool // it is iComet's
	flags    map[string]*kong.Flag
	Entries  map[string]entry // by the flag's name
	problems []problem
	resolve  func(host string) (string, error)
}

// entry is one setting of a file.
type entry struct {
	line  int    // 0 where the file does not say it, but means it
	key   string // as the file spells it
	Value any    // bool, int64, string, []any, or literal
}

// literal is a value of a kind that no setting has, as it is written.
type literal string

// problem is what is wrong at a place of a file, or only unwise.
type problem struct {
	file    string
	line    int    // 0 for the whole file
	key     string // "" where no key is known
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

// Read reads a file, whose settings are for flags. Its text tells whose
// it is; where that leaves it open, whose place the server takes, or the name does.
// What is wrong in it are its problems; the error is for a file that cannot be read
// at all.
func Read(name string, flags []*kong.Flag, implied settings.Compat) (*File, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, err // it names the file
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

// readFile reads a file. A pipe takes as long as its writer does, which the user is told.
func readFile(name string) ([]byte, error) {
	tell := time.AfterFunc(slowRead, func() {
		fmt.Fprintf(os.Stderr, "%s: waiting for the process that writes to this file\n", name)
	})
	defer tell.Stop()
	return os.ReadFile(name)
}

// slowRead is how long reading may take before the user is told what it waits for.
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

// Wrong joins what makes the file unusable, nil for nothing.
func (f *File) Wrong() error {
	var errs []error
	for _, p := range f.InOrder() {
		if !p.Warning {
			errs = append(errs, p)
		}
	}
	return errors.Join(errs...)
}

// InOrder are the problems as they stand in the file; those of the whole file
// come first.
func (f *File) InOrder() []problem {
	slices.SortStableFunc(f.problems, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	return f.problems
}

// complain notes what is wrong at a line.
func (f *File) complain(line int, key, format string, args ...any) {
	f.problems = append(f.problems, problem{file: f.name, line: line, key: key, reason: fmt.Sprintf(format, args...)})
}

// warn notes what is unwise at a line.
func (f *File) warn(line int, key, format string, args ...any) {
	f.complain(line, key, format, args...)
	f.problems[len(f.problems)-1].Warning = true
}

// About is the problem of a setting, at its place in the file.
func (f *File) About(name, reason string) problem {
	e := f.Entries[name]
	return problem{file: f.name, line: e.line, key: cmp.Or(e.key, name), reason: reason}
}

// set notes a setting, or that its flag cannot take it.
func (f *File) set(name string, e entry) {
	if err := fits(f.flags[name], e.Value); err != nil {
		f.complain(e.line, e.key, "%v", err)
		return
	}
	f.Entries[name] = e
}

// fits says whether a flag can take a value of the file.
func fits(flag *kong.Flag, value any) error {
	given, err := flagValue(flag, value)
	if err != nil || given == nil {
		return err
	}
	token := kong.Token{Type: kong.FlagValueToken, Value: given}
	scratch := reflect.New(flag.Target.Type()).Elem()
	return flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: kong.ScanFromTokens(token)}, scratch)
}

// flagValue is a value of the file as the flag's decoder takes it, nil for one
// that leaves the default.
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

// isTime says whether a flag takes seconds.
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

// Validate has nothing to do: all keys were checked when the file was read.
func (f *File) Validate(*kong.Application) error { return nil }

// Resolve gives a flag its value from the file, nil for none.
func (f *File) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	e, ok := f.Entries[flag.Name]
	if !ok || EnvironmentHas(flag) {
		return nil, nil
	}
	return flagValue(flag, e.Value)
}

// EnvironmentHas says whether an environment variable sets a flag.
func EnvironmentHas(flag *kong.Flag) bool {
	return slices.ContainsFunc(flag.Envs, func(name string) bool {
		_, ok := os.LookupEnv(name)
		return ok
	})
}

// unknown is what is said of a key that does not exist, with the one that may
// have been meant.
func unknown(what, key string, known []string) string {
	text := "unknown " + what
	if near := nearest(key, known); near != "" {
		text += ": did you mean " + near + "?"
	}
	return text
}

// nearest is the known word that is fewest slips of the pen away, "" if all are
// far.
func nearest(word string, known []string) string {
	plain := strings.NewReplacer("_", "", "-", "")
	best, found := 1+len(word)/4, ""
	for _, candidate := range slices.Sorted(slices.Values(known)) {
		if d := slips(plain.Replace(strings.ToLower(word)), plain.Replace(candidate)); d <= best {
			best, found = d-1, candidate
		}
	}
	return found
}

// slips counts the bytes to add, drop or change between two words.
func slips(a, b string) int {
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
