package attacks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes a directory with one table.
func write(t *testing.T, table string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "table.txt"), []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRead(t *testing.T) {
	cases, err := Read(write(t, `# a comment

= all escapes
> \r\n\t\v\f\0\\\x7f{}
> \{get}
> \{2*a\{3*b}\n}\
< GET / \{2*\x41\\}
< POST /x

= a backslash at the end
> a\\
> b\
< GET /
< 400 BareLF
= waits
>
< waits
= ends
> \{chunked}\
< GET /
< ends
`))
	if err != nil || len(cases) != 4 {
		t.Fatal(cases, err)
	}
	for i, raw := range []string{
		"\r\n\t\v\f\x00\\\x7f{}\r\nGET /ping?cb=a HTTP/1.1\r\nHost: h\r\nabbb\nabbb\n", "a\\\r\nb", "\r\n",
		"GET /ping?cb=a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n",
	} {
		if cases[i].Raw != raw {
			t.Errorf("case %d is %q, want %q", i, cases[i].Raw, raw)
		}
	}
	all, back, waits, ends := cases[0], cases[1], cases[2], cases[3]
	if all.Name != "table: all escapes" || len(all.Want) != 2 || all.Want[0] != (Request{"GET", "/", `A\A\`}) ||
		all.Want[1] != (Request{"POST", "/x", ""}) || all.closed() {
		t.Errorf("%+v", all)
	}
	if len(back.Want) != 1 || back.Refused == nil || *back.Refused != (Refusal{400, "BareLF"}) {
		t.Errorf("%+v", back)
	}
	if !waits.Waits || len(waits.Want) != 0 || !ends.Ends || len(ends.Want) != 1 {
		t.Errorf("%+v\n%+v", waits, ends)
	}
}

func TestReadSaysWhatIsWrong(t *testing.T) {
	for table, want := range map[string]string{
		"":                            "no cases in",
		"> x\n":                       "table.txt:1: a line before the first case",
		"= a\n= a\n":                  `:2: a second case of the name "table: a"`,
		"= a\nx\n":                    `:2: "x" is out of place`,
		"= a\n> x\n< waits\n> y\n":    `:4: "> y" is out of place`,
		"= a\n> x\n< GET /\n> y\n":    `:4: "> y" is out of place`,
		"= a\n< 400 BareLF\n< ends\n": `:3: "< ends" is out of place`,
		"= a\n< nothing\n":            `"nothing" is not a result of a request`,
		"= a\n< 400\n":                `"400" is not a result of a request`,
		"= a\n> \\q\n":                `\q is no escape`,
		"= a\n> \\xzz\n":              `\xzz is no byte`,
		"= a\n> \\{no}\n":             `\{no} is neither a name nor a number of times`,
		"= a\n> \\{2*x\n":             `has no end`,
		"= a\n< GET / \\\n":           `a \ at the end is part of no escape`,
		"= a\n> \\{9999999*x}\n":      `is neither a name nor a number of times`,
	} {
		if _, err := Read(write(t, table)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", table, err, want)
		}
	}
}
