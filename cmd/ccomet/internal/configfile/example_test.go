package configfile

import (
	"reflect"
	"strings"
	"testing"

	"ccomet/cmd/ccomet/internal/settings"
)

// TestExample: the example file has every flag with its default.
func TestExample(t *testing.T) {
	t.Parallel()
	text := example(t)
	got, f := settingsOf(t, fileOf(t, "ccomet.toml", text))
	want, flags, err := settings.New()
	if err != nil {
		t.Fatal(err)
	}
	want.Compat = settings.CompatNone // the server is not started in another way
	// An empty list is equal to a missing one.
	for s := range 2 {
		v := reflect.ValueOf([]*settings.Settings{got, want}[s]).Elem()
		for i := range v.NumField() {
			if field := v.Field(i); field.Kind() == reflect.Slice && field.Len() == 0 {
				field.SetZero()
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read as it is, it is\n%+v, the defaults are\n%+v", got, want)
	}
	for _, flag := range flags {
		if _, ok := f.Entries[flag.Name]; !ok && flag.Name != "help" && flag.Name != "config" {
			t.Errorf("--%s is not in it", flag.Name)
		}
	}
	lines := strings.Split(text, "\n")
	for name, e := range f.Entries {
		above := e.line - 2
		for above > 0 && lines[above] != "" && lines[above][0] != '#' {
			above-- // keys with a common explanation
		}
		if above < 0 || !strings.HasPrefix(lines[above], "# ") {
			t.Errorf("line %d: %s is not explained", e.line, name)
		}
	}
}
