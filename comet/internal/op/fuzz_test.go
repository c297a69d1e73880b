package op

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse compares Parse with encoding/json: the same texts are JSON for both, with the same
// values.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"op":"sub","cname":"a","seq":3,"token":"t","lost":true,"id":1,"epoch":"k3f9"}`, `{"op":"pub","cname":"a","content":"x","key":"k\u00e9"}`, `{"op":"pub","cname":"\ud83d\ude00","content":{"a":[1,{}]},"id":"x"}`,
		` { "o\u0070" : "ping" , "id" : -1.5e+9 } `, `{"op":"unsub","cname":null,"x":[[[],{"a":""}],true,false,null]}`, `{"op":"ping","op":1}`, `{"op":"\ud800"}`, `{`, `[]`,
		`{"op":"ping","x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, "{\"\u2028\":\"\\/\\b\\f\\n\\r\\t\\\\\\\"\"}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !utf8.Valid(text) {
			return // a WebSocket's text is always valid UTF-8
		}
		before := bytes.Clone(text)
		o, _, err := Parse(text, nil)
		if !bytes.Equal(text, before) {
			t.Fatalf("%q has become %q", before, text)
		}
		members, twice, isObject := read(text)
		switch {
		case err == errSyntax:
			if isObject {
				t.Fatalf("%q is a JSON object", text)
			}
			return
		case err == errDepth:
			return // encoding/json allows more
		case !isObject:
			t.Fatalf("%q is no JSON object: %v", text, err)
		}
		if want := judge(members, twice); err != want && !(err != nil && want != nil) {
			t.Fatalf("%q: %v, want %v", text, err, want)
		} else if err == nil {
			compare(t, &o, members)
		}
	})
}

// read returns the members of an object that an operation may have, as encoding/json reads
// them.
func read(text []byte) (members map[string]json.RawMessage, twice, isObject bool) {
	if !json.Valid(text) {
		return nil, false, false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, false, false
	}
	members = map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, false, false
		}
		name := token.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, false, false
		}
		if strings.Contains(" op id cname seq token epoch lost content key ", " "+name+" ") {
			_, seen := members[name]
			twice = twice || seen
			members[name] = value
		}
	}
	for name, value := range members {
		if string(value) == "null" {
			delete(members, name)
		}
	}
	return members, twice, true
}

// judge checks whether members are an operation.
func judge(members map[string]json.RawMessage, twice bool) error {
	if twice {
		return errTwice
	}
	for name, value := range members {
		first := value[0]
		var text string
		isText := json.Unmarshal(value, &text) == nil
		whole := isText && !strings.ContainsRune(text, utf8.RuneError) // half a surrogate pair becomes U+FFFD
		switch name {
		case "op":
			if !isText {
				return errOp
			}
		case "id":
			if len(value) > MaxID || first != '"' && first != '-' && (first < '0' || first > '9') {
				return errID
			}
		case "seq":
			if _, err := strconv.ParseInt(string(value), 10, 32); err != nil {
				return errSeq
			}
		case "lost":
			if first != 't' && first != 'f' {
				return errLost
			}
		case "cname", "token", "epoch", "key":
			if !whole && !(isText && escapesNoHalf(value)) {
				return errString
			}
		}
	}
	var kind string
	_ = json.Unmarshal(members["op"], &kind)
	switch kind {
	case "sub", "unsub", "pub", "ping":
		return nil
	}
	return errOp
}

// escapesNoHalf reports whether each U+FFFD in a string was there already, and does not
// replace half a surrogate pair.
func escapesNoHalf(value []byte) bool {
	var text string
	replaced := replacement.ReplaceAllString(strings.ReplaceAll(string(value), `\\`, "xx"), "x")
	return json.Unmarshal([]byte(replaced), &text) == nil && !strings.ContainsRune(text, utf8.RuneError)
}

var replacement = regexp.MustCompile(`\x{FFFD}|(?i:\\ufffd)`)

func compare(t *testing.T, o *Op, members map[string]json.RawMessage) {
	str := func(name string) (text string) {
		_ = json.Unmarshal(members[name], &text)
		return text
	}
	content := string(members["content"])
	if o.Quoted {
		content = content[1 : len(content)-1]
	}
	seq, _ := strconv.ParseInt(string(members["seq"]), 10, 32)
	if Names[o.Kind] != str("op") || string(o.Cname) != str("cname") || string(o.Token) != str("token") || string(o.Epoch) != str("epoch") ||
		string(o.Key) != str("key") ||
		string(o.ID) != string(members["id"]) || string(o.Content) != content || int64(o.Seq) != seq || o.Lost != (string(members["lost"]) == "true") {
		t.Fatalf("%+v of %q", o, members)
	}
}
