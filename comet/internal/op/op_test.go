package op

import (
	"strings"
	"testing"

	"ccomet/comet/internal/jsontext"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Op{
		`{"op":"sub","cname":"a","seq":3,"token":"t","lost":true,"id":1}`:                                       {Kind: Sub, Cname: []byte("a"), Seq: 3, Token: []byte("t"), Lost: true, ID: []byte("1")},
		" {\n\t\"id\" : \"x\\u00e9\" , \"op\" : \"pi\\u006eg\" }\r\n":                                           {Kind: Ping, ID: []byte(`"x\u00e9"`)},
		`{"op":"pub","cname":"\ud83d\ude00\/\b","content":"a\n\u2028"}`:                                         {Kind: Pub, Cname: []byte("😀/\b"), Content: []byte(`a\n\u2028`), Quoted: true},
		`{"op":"pub","cname":"","content":{"a":[1,{}]}}`:                                                        {Kind: Pub, Cname: []byte{}, Content: []byte(`{"a":[1,{}]}`)},
		`{"op":"pub","content":1,"key":"k\u00e9"}`:                                                              {Kind: Pub, Content: []byte("1"), Key: []byte("ké")},
		`{"op":"pub","content":1,"key":""}`:                                                                     {Kind: Pub, Content: []byte("1"), Key: []byte{}},
		`{"op":"pub","content":0}`:                                                                              {Kind: Pub, Content: []byte("0")},
		`{"op":"sub","seq":-2147483648,"epoch":"","lost":false}`:                                                {Kind: Sub, Seq: -1 << 31, Told: true, Epoch: []byte{}},
		`{"op":"unsub","cname":null,"epoch":null,"id":null,"content":null,"seq":null,"lost":null,"token":null}`: {Kind: Unsub},
		`{"x":[[]],"y":{"op":"pub"},"op":"ping","z":1e9,"Op":"pub"}`:                                            {Kind: Ping},
		`{"o\u0070":"ping"}`: {Kind: Ping},
	} {
		got, _, err := Parse([]byte(text), nil)
		if err != nil || !equal(&got, &want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

// equal compares operations, and also which members they have.
func equal(a, b *Op) bool {
	same := func(x, y []byte) bool { return string(x) == string(y) && (x == nil) == (y == nil) }
	return a.Kind == b.Kind && a.Lost == b.Lost && a.Told == b.Told && a.Quoted == b.Quoted && a.Seq == b.Seq && same(a.ID, b.ID) &&
		same(a.Cname, b.Cname) && same(a.Token, b.Token) && same(a.Epoch, b.Epoch) && same(a.Key, b.Key) && same(a.Content, b.Content)
}

func TestParseErrors(t *testing.T) {
	deep := func(n int) string {
		return `{"op":"ping","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	long := strings.Repeat("1", MaxID)
	for text, want := range map[string]error{
		"": errSyntax, "null": errSyntax, "[]": errSyntax, `"op"`: errSyntax, "{": errSyntax, `{"op"}`: errSyntax, `{"op":}`: errSyntax,
		`{"op":"ping",}`: errSyntax, `{,"op":"ping"}`: errSyntax, `{"op":"ping"}}`: errSyntax, `{"op":"ping"} x`: errSyntax,
		`{"op":"ping" "id":1}`: errSyntax, `{op:"ping"}`: errSyntax, `{'op':'ping'}`: errSyntax, `{"op":"ping","x":tru}`: errSyntax,
		`{"op":"ping","x":01}`: errSyntax, `{"op":"ping","x":1.}`: errSyntax, `{"op":"ping","x":-}`: errSyntax, `{"op":"ping","x":1e}`: errSyntax,
		`{"op":"ping","x":.5}`: errSyntax, `{"op":"ping","x":"\x"}`: errSyntax, `{"op":"ping","x":"\u12g4"}`: errSyntax, "{\"op\":\"ping\",\"x\":\"\n\"}": errSyntax,
		`{"op":"ping","x":[1,]}`: errSyntax, `{"op":"ping","x":[1}}`: errSyntax, `{"op":"ping","x":{"a"}}`: errSyntax, `{"op":"ping","x":{"a":1,}}`: errSyntax,
		`{}`: errOp, `{"op":"pin"}`: errOp, `{"op":1}`: errOp, `{"op":null}`: errOp, `{"op":"PING"}`: errOp,
		`{"op":"ping","op":"ping"}`: errTwice, `{"op":"pub","content":1,"content":null}`: errTwice, `{"id":1,"\u0069d":2,"op":"ping"}`: errTwice,
		`{"op":"ping","id":` + long + `}`: nil, `{"op":"ping","id":` + long + `1}`: errID, `{"op":"ping","id":{}}`: errID, `{"op":"ping","id":true}`: errID,
		`{"op":"sub","seq":2147483648}`: errSeq, `{"op":"sub","seq":"1"}`: errSeq, `{"op":"sub","seq":1.0}`: errSeq, `{"op":"sub","lost":1}`: errLost,
		`{"op":"sub","cname":1}`: errString, `{"op":"sub","token":[]}`: errString, `{"op":"sub","epoch":7}`: errString, `{"op":"pub","key":7}`: errString, `{"op":"pub","key":"a","key":"b"}`: errTwice,
		`{"op":"sub","cname":"\ud83d"}`: errString, `{"op":"sub","cname":"\ude00\ud83d"}`: errString, `{"op":"sub","cname":"\ud83dx"}`: errString,
		deep(jsontext.MaxDepth): nil, deep(jsontext.MaxDepth + 1): errDepth, deep(1000): errDepth,
	} {
		if _, _, err := Parse([]byte(text), nil); err != want {
			t.Errorf("%.100s: %v, want %v", text, err, want)
		}
	}
	// An error does not keep the id from the answer.
	if o, _, err := Parse([]byte(`{"op":"x","seq":"1","id":7}`), nil); err != errOp || string(o.ID) != "7" {
		t.Errorf("%+v, %v", o, err)
	}
}

// Parse neither copies nor changes the text, and allocates nothing.
func TestParseAllocations(t *testing.T) {
	text := []byte(`{"op":"pub","cname":"a\u00e9","content":"hel\"lo","id":"abc","x":[1,{"y":null}],"seq":3,"epoch":"k3f9ab2"}`)
	before := string(text)
	room := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := Parse(text, room[:0]); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if string(text) != before {
		t.Errorf("it has become %s", text)
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte(`{"op":"pub","cname":"room-17","content":"hello, world","id":12345}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, _, err := Parse(text, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// Plain marks content that needs no further check: a string with paired surrogates that is
// also a JavaScript string.
func TestPlainContent(t *testing.T) {
	for content, want := range map[string]bool{
		`"a"`: true, `"\u00e9\ud83d\ude00\n"`: true, `"é"`: true, `7`: false, `["a"]`: false, "\"\u2028\"": false, `"\ud83d"`: false, `"\ude00\ud83d"`: false, `"\u2028"`: true,
	} {
		if o, _, err := Parse([]byte(`{"op":"pub","content":`+content+`}`), nil); err != nil || o.Plain != want {
			t.Errorf("%s: %v, %v", content, o.Plain, err)
		}
	}
}
