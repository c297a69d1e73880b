package batch

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// element is a read element in a form that can be compared.
type element struct {
	number  int
	names   []string
	key     string // "-": none
	content string // unescaped
	size    int
	fault   string
}

// readAll reads a body, and returns its elements and the error of the whole body.
func readAll(t testing.TB, body string, array bool) (list []element, fault string) {
	t.Helper()
	var r Reader
	for r.Reset([]byte(body), array); r.Next(); {
		e := element{number: r.Number}
		if r.Fault.Reason != "" {
			e.fault = string(r.AppendFault(nil))
			list = append(list, e)
			continue
		}
		for _, name := range r.Names {
			e.names = append(e.names, string(name))
		}
		if e.key = "-"; r.Key != nil {
			e.key = string(r.Key)
		}
		inside := r.Content()
		if strings.ContainsAny(string(inside), "\u2028\u2029") {
			t.Fatalf("%q: a line separator is left in %q", body, inside)
		}
		if err := json.Unmarshal(fmt.Appendf(nil, `"%s"`, inside), &e.content); err != nil {
			t.Fatalf("%q: content %q: %v", body, inside, err)
		}
		e.size = r.Size()
		list = append(list, e)
	}
	if r.Next() {
		t.Fatalf("%q: more follows its end", body)
	}
	if r.Fault.Reason != "" {
		fault = string(r.AppendFault(nil))
	}
	return list, fault
}

func TestReader(t *testing.T) {
	one := func(names, content string) []element {
		return []element{{number: 1, names: strings.Split(names, ","), key: "-", content: content, size: len(content)}}
	}
	for body, want := range map[string][]element{
		`{"cname":"a","content":"x"}`:                                                         one("a", "x"),
		"\t{ \"content\" :\r\"x\" , \"cname\" : \"a\" } ":                                     one("a", "x"),
		`{"cnames":["a","b", "c"],"content":""}`:                                              {{number: 1, names: []string{"a", "b", "c"}, key: "-"}},
		`{"cname":"a","content":null}`:                                                        one("a", "null"),
		`{"cname":"a","content": {"x": [1, -0.5e+7, "é\n"]} }`:                                one("a", `{"x": [1, -0.5e+7, "é\n"]}`),
		`{"cname":"a","content":[[],{},[{}]]}`:                                                one("a", `[[],{},[{}]]`),
		`{"cname":"a","content":"\u00e9\ud83d\ude00\/\\\"\b\f\n\r\t"}`:                        one("a", "é😀/\\\"\b\f\n\r\t"),
		"{\"cname\":\"a\",\"content\":\"\u2028é\u2029\"}":                                     one("a", "\u2028é\u2029"),
		`{"cname":"\u0061\n","content":"x","other":{"cname":[true]}}`:                         one("a\n", "x"),
		`{"\u0063name":"a","content":"x"}`:                                                    one("a", "x"),
		`{"cname":"","content":"x","key":""}`:                                                 {{number: 1, names: []string{""}, key: "", content: "x", size: 1}},
		`{"cname":"a","content":"x","key":"k\u00e9"}`:                                         {{number: 1, names: []string{"a"}, key: "ké", content: "x", size: 1}},
		`{"cname":"a","content":"` + strings.Repeat("m", 1000) + `é"}`:                        one("a", strings.Repeat("m", 1000)+"é"),
		`{"cname":"a","content":` + strings.Repeat("[", 128) + strings.Repeat("]", 128) + "}": one("a", strings.Repeat("[", 128)+strings.Repeat("]", 128)),
	} {
		for _, array := range []bool{false, true} {
			text := body
			if array {
				text = " [\n" + text + "\n] "
			}
			got, fault := readAll(t, text, array)
			if fault != "" || !slices.EqualFunc(got, want, same) {
				t.Errorf("%s: %+v, %s", text, got, fault)
			}
		}
	}
}

func same(a, b element) bool {
	return a.number == b.number && slices.Equal(a.names, b.names) && a.key == b.key && a.content == b.content && a.size == b.size && a.fault == b.fault
}

// good is a valid message.
const good = `{"cname":"a","content":"x"}`

// faultsInside are errors of messages that are JSON objects.
var faultsInside = map[string]string{
	`{"content":"x"}`: "cname is missing, or cnames",
	`{"cname":"a"}`:   "content is missing",
	`{}`:              "cname is missing, or cnames",
	`{"cname":"a","cnames":["b"],"content":1}`:      "cname and cnames are both there",
	`{"cname":"a","content":1,"cname":"b"}`:         "cname appears twice",
	`{"cnames":["a"],"content":1,"cnames":["a"]}`:   "cnames appears twice",
	`{"content":1,"cname":"a","content":1}`:         "content appears twice",
	`{"key":"k","cname":"a","key":"l","content":1}`: "key appears twice",
	`{"cname":1,"content":1}`:                       "cname: want a string",
	`{"cname":null,"content":1}`:                    "cname: want a string",
	`{"cnames":[],"content":1}`:                     "cnames: want an array of strings, one at the least",
	`{"cnames":["a",1],"content":1}`:                "cnames: want an array of strings, one at the least",
	`{"cnames":"a","content":1}`:                    "cnames: want an array of strings, one at the least",
	`{"cname":"a","content":1,"key":7}`:             "key: want a string",
}

// faultsOfJSON are errors of messages that are not JSON objects.
var faultsOfJSON = map[string]string{
	`{"cname":"a","content":"x"`:                         "27: want , or } behind a member",
	`{"cname":"a","content":"x"}}`:                       "28: want a line feed behind the object",
	`{"cname":"a","content":"x",}`:                       "28: want a string",
	`{"cname":"a" "content":"x"}`:                        "14: want , or } behind a member",
	`{"cname" "a"}`:                                      "10: want a colon behind a member's name",
	`{cname:"a"}`:                                        "2: want a string",
	`7`:                                                  "1: want {, the beginning of an object",
	`[7]`:                                                "1: want {, the beginning of an object: an array is application/json",
	`{"cname":"a","content":01}`:                         "25: want , or } behind a member",
	`{"cname":"a","content":1.}`:                         "26: a number without a digit behind its point",
	`{"cname":"a","content":1e}`:                         "26: a number without a digit in its exponent",
	`{"cname":"a","content":nul}`:                        "24: want a value: a string, a number, an array, an object, true, false or null",
	`{"cname":[1},"content":1}`:                          "12: want , or ] in an array",
	`{"cnames":{"a"},"content":1}`:                       "15: want a colon behind a member's name",
	`{"content":1,"key":nul,"cname":"a"}`:                "20: want a value: a string, a number, an array, an object, true, false or null",
	`{"cname":"a","content":-}`:                          "25: want a value: a string, a number, an array, an object, true, false or null",
	`{"cname":"a","content":[1,]}`:                       "27: want a value: a string, a number, an array, an object, true, false or null",
	`{"cname":"a","content":[1}`:                         "26: want , or ] in an array",
	`{"cname":"a","content":{"x":1]}`:                    "30: want , or } in an object",
	`{"cname":"a","content":{"x"}}`:                      "28: want a colon behind a member's name",
	`{"cname":"a","content":"x}`:                         "27: a string has no end",
	"{\"cname\":\"a\",\"content\":\"\t\"}":               "25: a control character in a string: it is to be escaped",
	"{\"cname\":\"a\",\"content\":\"\xff\"}":             "25: not UTF-8",
	`{"cname":"a","content":"\x"}`:                       "25: an escape that is none in JSON, or half of a character",
	`{"cname":"a","content":"\ud800\u0041"}`:             "25: an escape that is none in JSON, or half of a character",
	`{"cname":"a","content":"\u12g4"}`:                   "25: an escape that is none in JSON, or half of a character",
	`{"cname":"a","content":` + strings.Repeat("[", 129): "152: nested too deep: at most 128 arrays and objects in each other",
}

// faultsAround are errors of arrays.
var faultsAround = map[string]string{
	"":         "element 1, byte 1 of the body: want [, the beginning of an array",
	"{}":       "element 1, byte 1 of the body: want [, the beginning of an array: objects alone, one a line, are application/x-ndjson",
	"[":        "element 1, byte 2 of the body: want {, the beginning of an object",
	"[,]":      "element 1, byte 2 of the body: want {, the beginning of an object",
	"[] 7":     "element 1, byte 4 of the body: want nothing behind the array",
	"[" + good: "element 2, byte 29 of the body: want , or ] behind an element",
}

// Errors are reported with their position. The other lines are read nevertheless, and so are
// the other elements of an array if the faulty one is valid JSON.
func TestFaults(t *testing.T) {
	for bad, fault := range faultsInside {
		for _, array := range []bool{false, true} {
			text, where := good+"\n\n"+bad+"\n"+good+"\n", "line 3: "
			if array {
				text, where = "["+good+","+bad+","+good+"]", "element 2: "
			}
			got, all := readAll(t, text, array)
			if len(got) != 3 || got[1].fault != where+fault || got[0].fault+got[2].fault+all != "" {
				t.Errorf("%s: %+v, %s", text, got, all)
			}
		}
	}
	for bad, fault := range faultsOfJSON {
		got, all := readAll(t, good+"\r\n"+bad+"\n"+good, false)
		if len(got) != 3 || got[1].fault != "line 2, byte "+fault || got[0].fault+got[2].fault+all != "" {
			t.Errorf("%s: %+v, %s", bad, got, all)
		}
		got, all = readAll(t, "["+good+","+bad+","+good+"]", true)
		if len(got) != 1 && !strings.HasSuffix(bad, "}}") || !strings.HasPrefix(all, "element ") || !strings.Contains(all, " of the body: ") {
			t.Errorf("%s: %+v, %s", bad, got, all)
		}
	}
	for body, fault := range faultsAround {
		if _, all := readAll(t, body, true); all != fault {
			t.Errorf("%s: %s", body, all)
		}
	}
	for _, body := range []string{"", "\n\r\n \n"} {
		if got, all := readAll(t, body, false); len(got) != 0 || all != "" {
			t.Errorf("%q: %+v, %s", body, got, all)
		}
	}
}

// surrogate finds escaped surrogates: encoding/json accepts those that are not in pairs.
var surrogate = regexp.MustCompile(`(?i)\\ud[89a-f]`)

// deep reports whether a text may have more levels than a content may have.
func deep(body string) bool { return strings.Count(body, "[")+strings.Count(body, "{") > maxDepth }

// FuzzReader: whatever is accepted is JSON, with the same meaning as for encoding/json.
// Whatever is refused is no JSON, or no message.
func FuzzReader(f *testing.F) {
	const good = `{"cname":"a","content":"x"}`
	for _, body := range []string{
		good, "[" + good + "]", good + "\n" + good, "[" + good + "," + good + "]", `[{"cnames":["a","\u0062"],"key":"k","content":{"a":[1.5e-3,null]}}]`,
		`{"cname":"é","content":"😀\ud83d\ude00\u2028"}`, `[{"cname":1},{"content":[]},` + good + "]", `{"a":"\\","cname":"\"","content":true}`, "[]", " \n",
	} {
		f.Add(body, strings.HasPrefix(body, "["))
	}
	f.Fuzz(func(t *testing.T, body string, array bool) {
		got, all := readAll(t, body, array)
		excused := !utf8.ValidString(body) || surrogate.MatchString(body) || deep(body)
		if array {
			var raw []json.RawMessage
			err := json.Unmarshal([]byte(body), &raw)
			switch {
			case all == "" && err != nil:
				t.Fatalf("it was accepted: %v", err)
			case all == "" && len(raw) != len(got):
				t.Fatalf("%d elements, not %d", len(raw), len(got))
			case all != "" && err == nil && !excused && !strings.Contains(all, "want {, the beg") && !strings.Contains(all, "want [, the beg"):
				t.Fatalf("refused: %s", all)
			}
			if err == nil {
				for n := range got {
					compare(t, raw[n], got[n], excused)
				}
			}
			return
		}
		n := 0
		for number, line := range strings.Split(body, "\n") {
			if strings.Trim(line, " \t\r") == "" {
				continue
			}
			if n == len(got) || got[n].number != number+1 {
				t.Fatalf("line %d is not there: %+v", number+1, got)
			}
			compare(t, []byte(line), got[n], excused)
			n++
		}
		if n != len(got) || all != "" {
			t.Fatalf("%d lines, not %d; %s", n, len(got), all)
		}
	})
}

// compare compares an element with its text.
func compare(t *testing.T, raw []byte, got element, excused bool) {
	t.Helper()
	var members map[string]json.RawMessage
	err := json.Unmarshal(raw, &members)
	if got.fault == "" && (err != nil || members == nil) {
		t.Fatalf("%q was taken: %v", raw, err)
	}
	if got.fault != "" {
		if err == nil && strings.Contains(got.fault, ", byte ") && !excused && members != nil {
			t.Fatalf("%q was refused: %s", raw, got.fault)
		}
		return
	}
	var names []string
	var one *string
	if json.Unmarshal(members["cname"], &one) == nil && one != nil {
		names = []string{*one}
	} else {
		_ = json.Unmarshal(members["cnames"], &names)
	}
	content := string(members["content"])
	if strings.HasPrefix(content, `"`) {
		_ = json.Unmarshal(members["content"], &content)
	}
	key := "-"
	if raw, ok := members["key"]; ok {
		_ = json.Unmarshal(raw, &key)
	}
	if !slices.Equal(names, got.names) || content != got.content || key != got.key || len(content) != got.size {
		t.Fatalf("%q: %q %q %q, want %+v", raw, names, content, key, got)
	}
}

func TestReaderDoesNotAllocate(t *testing.T) {
	body := []byte(strings.Repeat(`{"cnames":["a","\u0062"],"key":"k\n","content":{"x":["é",1]}}`+"\n", 100))
	var r Reader
	dst := make([]byte, 0, 1<<10)
	read := func() {
		n := 0
		for r.Reset(body, false); r.Next(); n++ {
			dst = append(dst[:0], r.Content()...)
		}
		if n != 100 {
			t.Fatal(n)
		}
	}
	read()
	if allocs := testing.AllocsPerRun(20, read); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkReader(b *testing.B) {
	for _, size := range []int{32, 1024} {
		body := []byte(strings.Repeat(`{"cname":"channel-17","content":"`+strings.Repeat("m", size)+`"}`+"\n", 1000))
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var r Reader
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				for r.Reset(body, false); r.Next(); {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/element")
		})
	}
}
