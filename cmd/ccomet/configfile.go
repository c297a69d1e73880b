package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"
)

// configFile is a TOML file with settings: its keys are the names of flags,
// without tables. It resolves the flags that neither the command line nor the
// environment has set.
type configFile struct {
	name   string
	text   []byte
	values map[string]any
}

// readConfigFile reads a file; its settings are for flags.
func readConfigFile(name string, flags []*kong.Flag) (*configFile, error) {
	f := &configFile{name: name}
	var err error
	if f.text, err = os.ReadFile(name); err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	if err := toml.Unmarshal(f.text, &f.values); err != nil {
		if at := new(toml.DecodeError); errors.As(err, &at) {
			line, _ := at.Position()
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	known := map[string]*kong.Flag{}
	for _, flag := range flags {
		known[flag.Name] = flag
	}
	for key, value := range f.values {
		flag := known[key]
		if flag == nil || key == "config" || key == "help" {
			return nil, fmt.Errorf("%s: unknown key %q", f.place(key), key)
		}
		if err := f.fits(flag, value); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", f.place(key), key, err)
		}
	}
	return f, nil
}

// place is where a key stands, as FILE:LINE, or FILE if it is not at the
// beginning of a line.
func (f *configFile) place(key string) string {
	for n, line := range bytes.Split(f.text, []byte("\n")) {
		head := strings.Trim(string(line), " \t\r[")
		if rest, ok := strings.CutPrefix(strings.TrimLeft(head, `"'`), key); ok {
			if rest = strings.TrimLeft(rest, "\"' \t"); strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, "]") {
				return fmt.Sprintf("%s:%d", f.name, n+1)
			}
		}
	}
	return f.name
}

// fits says whether a flag can take a value, for an error that names the file.
func (f *configFile) fits(flag *kong.Flag, value any) error {
	text, err := flagText(flag, value)
	if err != nil {
		return err
	}
	token := kong.Token{Type: kong.FlagValueToken, Value: text}
	scratch := reflect.New(flag.Target.Type()).Elem()
	return flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: kong.ScanFromTokens(token)}, scratch)
}

// flagText is a value of the file as one would write it on the command line.
func flagText(flag *kong.Flag, value any) (any, error) {
	kind := flag.Target.Kind()
	switch v := value.(type) {
	case bool:
		if kind == reflect.Bool {
			return v, nil
		}
	case int64:
		if kind == reflect.Int || flag.Target.Type() == reflect.TypeFor[seconds]() {
			return fmt.Sprint(v), nil
		}
	case string:
		if kind != reflect.Bool && kind != reflect.Int {
			return v, nil
		}
	case []any:
		if kind != reflect.Slice {
			break
		}
		items := make([]string, len(v))
		for i, item := range v {
			text, ok := item.(string)
			if !ok {
				return nil, errors.New("want strings in the list")
			}
			items[i] = text
		}
		return kong.JoinEscaped(items, flag.Tag.Sep), nil
	}
	return nil, fmt.Errorf("want %s, not %v", wanted(flag), value)
}

func wanted(flag *kong.Flag) string {
	switch {
	case flag.Target.Type() == reflect.TypeFor[seconds]():
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
func (f *configFile) Validate(*kong.Application) error { return nil }

// Resolve gives a flag its value from the file, nil for none.
func (f *configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, ok := f.values[flag.Name]
	if !ok || environmentHas(flag) != "" {
		return nil, nil
	}
	return flagText(flag, value)
}

// environmentHas returns the environment variable that sets a flag, or "".
func environmentHas(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return name
		}
	}
	return ""
}
