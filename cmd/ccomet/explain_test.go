package main

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"ccomet/cmd/ccomet/internal/settings"
)

// TestExplainedOnce: "serve --help" contains the text of ccomet.toml on each setting, word for
// word, and the flags have no text of their own.
func TestExplainedOnce(t *testing.T) {
	t.Parallel()
	stdout, stderr, status := runFor(t, nil, "serve", "--help")
	if status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	help := words(stdout)
	_, flags, err := settings.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range flags {
		if flag.Name == "help" || flag.Name == "config" {
			continue
		}
		if flag.Help != "" {
			t.Errorf("--%s is explained in the code too: %q", flag.Name, flag.Help)
		}
		above, _, found := strings.Cut(exampleFile, "\n"+flag.Name+" = ")
		if !found {
			t.Errorf("ccomet.toml has no %s", flag.Name)
			continue
		}
		comment := above[strings.LastIndex(above, "\n\n")+2:]
		comment, _, _ = strings.Cut(comment, "\n#\n") // details that --help leaves out
		text := words(strings.ReplaceAll(comment, "# ", ""))
		if len(text) < 10 || !strings.Contains(help, text) {
			t.Errorf("serve --help does not say of --%s: %s", flag.Name, text)
		}
	}
	for _, section := range regexp.MustCompile(`(?m)^# --- (.+?) -+\n((?:# .*\n)*)`).FindAllStringSubmatch(exampleFile, -1) {
		if text := words(section[1] + ": " + strings.ReplaceAll(section[2], "# ", "")); !strings.Contains(help, text) {
			t.Errorf("serve --help has no heading %s", text)
		}
	}
}

// words returns a text with normalised white space.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestExplainedBounds: the bounds in the explanation of a number are those that are checked.
func TestExplainedBounds(t *testing.T) {
	t.Parallel()
	bounds := regexp.MustCompile(`\b([0-9,]+) to ([0-9,]+)\b`)
	known := explanations(exampleFile)
	_, flags, err := settings.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range flags {
		if flag.Target.Type().Kind() != reflect.Int {
			continue
		}
		told := bounds.FindStringSubmatch(known[flag.Name].text)
		if told == nil {
			t.Errorf("ccomet.toml does not tell what --%s may be", flag.Name)
			continue
		}
		for i, beyond := range []int{-1, 1} {
			bound, err := strconv.Atoi(strings.ReplaceAll(told[1+i], ",", ""))
			if err != nil {
				t.Fatal(err)
			}
			if bad := checked(t, flag.Name, bound); bad != "" {
				t.Errorf("%d is within what is told: %s", bound, bad)
			}
			if bad := checked(t, flag.Name, bound+beyond); bad == "" {
				t.Errorf("--%s %d is taken, beyond %s", flag.Name, bound+beyond, told[0])
			}
		}
	}
}

// checked returns the error for a value of a setting, or "".
func checked(t *testing.T, name string, value int) string {
	t.Helper()
	s, _, err := settings.New(kong.Resolvers(kong.ResolverFunc(
		func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
			if flag.Name == name {
				return strconv.Itoa(value), nil
			}
			return nil, nil
		})))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range s.Check() {
		if bad.Name == name {
			return bad.Error()
		}
	}
	return ""
}
