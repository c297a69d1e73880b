package websocket

import (
	"fmt"
	"strings"
	"testing"
)

// kind is a kind of input from conformance suites, with the numbers of Autobahn's cases.
type kind struct {
	cases, raw string
	want       string // the expected result, without compression
}

// echoed returns the line for a message that is too long to write out.
func echoed(op Opcode, payload string) string { return line(op, []byte(payload)) }

// octets returns a message in fragments of one byte.
func octets(payload string) string {
	var raw strings.Builder
	first := text1
	for _, c := range []byte(payload) {
		raw.WriteString(frame(first, string([]byte{c})))
		first = more
	}
	return raw.String() + frame(cont, "")
}

// kinds are all cases of groups 1 to 7 and 10. Autobahn sends many of them at once, frame by frame, and byte by byte;
// here each is cut everywhere.
func kinds() []kind {
	all := sizes()
	all = append(all, controls()...)
	all = append(all, fragments()...)
	all = append(all, texts()...)
	return append(all, closes()...)
}

// sizes are groups 1, 9 and 10: lengths at which the form of the head changes, and fragments of several sizes.
func sizes() (all []kind) {
	for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		payload := strings.Repeat("*", n)
		all = append(all, kind{"1.1", frame(text, payload), echoed(Text, payload)})
		payload = strings.Repeat("\xfe", n)
		all = append(all, kind{"1.2", frame(bin, payload), echoed(Binary, payload)})
	}
	for _, size := range []int{64, 256, 1300, 4096} {
		payload := strings.Repeat("*\xce\xba", 1<<15)
		raw, first := "", text1
		for at := 0; at < len(payload); at, first = at+size, more {
			raw += frame(first, payload[at:min(at+size, len(payload))])
		}
		all = append(all, kind{"9.3, 9.4, 10.1.1", raw + frame(cont, ""), echoed(Text, payload)})
	}
	all = append(all, kind{"9.7, 9.8", strings.Repeat(frame(text, "x")+frame(bin, ""), 500), strings.TrimSuffix(strings.Repeat("Text \"x\"\nBinary \"\"\n", 500), "\n")})
	return all
}

// controls are groups 2 to 4: pings and pongs, reserved bits, reserved opcodes.
func controls() (all []kind) {
	long := strings.Repeat("\xfe", 126)
	all = []kind{
		{"2.1", frame(ping, ""), `Ping ""`},
		{"2.2", frame(ping, "Hello, world!"), `Ping "Hello, world!"`},
		{"2.3", frame(ping, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), `Ping "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"`},
		{"2.4, 2.6", frame(ping, long[:125]), echoed(Ping, long[:125])},
		{"2.5", frame(ping, long), "error ControlTooLong"},
		{"2.7", frame(pong, ""), `Pong ""`},
		{"2.8", frame(pong, "unsolicited"), `Pong "unsolicited"`},
		{"2.9", frame(pong, "unsolicited") + frame(ping, "ping"), "Pong \"unsolicited\"\nPing \"ping\""},
	}
	tens, want := "", ""
	for i := range 10 {
		tens += frame(ping, fmt.Sprintf("payload-%d", i))
		want += fmt.Sprintf("Ping \"payload-%d\"\n", i)
	}
	all = append(all, kind{"2.10, 2.11", tens, strings.TrimSuffix(want, "\n")})
	for rsv := byte(1); rsv < 8; rsv++ {
		first := []byte{text, text, text, text, bin, ping, end}[rsv-1] | rsv<<4
		raw := frame(text, "Hello") + frame(first, "") + frame(ping, "")
		all = append(all, kind{fmt.Sprintf("3.%d", rsv), raw, "Text \"Hello\"\nerror ReservedBits"})
	}
	for n, opcode := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		payload := []string{"", "reserved"}[n%2]
		all = append(all, kind{fmt.Sprintf("4, opcode %d", opcode), frame(fin|opcode, payload), "error ReservedOpcode"},
			kind{"4", frame(text, "Hello") + frame(fin|opcode, payload) + frame(ping, ""), "Text \"Hello\"\nerror ReservedOpcode"})
	}
	return all
}

// fragments are group 5.
func fragments() []kind {
	two := frame(text1, "fragment1") + frame(cont, "fragment2")
	whole := `Text "fragment1fragment2"`
	return []kind{
		{"5.1", frame(byte(Ping), "a") + frame(cont, "b"), "error FragmentedControl"},
		{"5.2", frame(byte(Pong), "a") + frame(cont, "b"), "error FragmentedControl"},
		{"5.3, 5.4, 5.5", two, whole},
		{"5.6, 5.7, 5.8", frame(text1, "fragment1") + frame(ping, "ping") + frame(cont, "fragment2"), "Ping \"ping\"\n" + whole},
		{"5.9, 5.10, 5.11", frame(cont, "nothing") + frame(text, "Hello"), "error UnexpectedContinuation"},
		{"5.12, 5.13, 5.14", frame(more, "nothing") + frame(text, "Hello"), "error UnexpectedContinuation"},
		{"5.15", two + frame(more, "nothing") + frame(text, "Hello"), whole + "\nerror UnexpectedContinuation"},
		{"5.16", frame(more, "nothing") + two + frame(more, "nothing") + two, "error UnexpectedContinuation"},
		{"5.17", frame(cont, "nothing") + two + frame(cont, "nothing") + two, "error UnexpectedContinuation"},
		{"5.18", frame(text1, "fragment1") + frame(text, "fragment2"), "error ExpectedContinuation"},
		{"5.19, 5.20", frame(text1, "1") + frame(more, "2") + frame(ping, "a") + frame(more, "3") + frame(more, "4") + frame(ping, "b") + frame(cont, "5"),
			"Ping \"a\"\nPing \"b\"\nText \"12345\""},
	}
}

// texts are group 6. Each sequence is sent as a whole, in fragments of one byte, and between other texts.
func texts() (all []kind) {
	all = []kind{
		{"6.1.1", frame(text, ""), `Text ""`},
		{"6.1.2", frame(text1, "") + frame(more, "") + frame(cont, ""), `Text ""`},
		{"6.1.3", frame(text1, "") + frame(more, "middle") + frame(cont, ""), `Text "middle"`},
		{"6.2.2", frame(text1, "Hello-µ@ßöä") + frame(cont, "üàá-UTF-8!!"), `Text "Hello-µ@ßöäüàá-UTF-8!!"`},
		{"6.4.1", frame(text1, "κόσμε") + frame(more, "\xf4\x90\x80\x80") + frame(cont, "edited"), "error InvalidUTF8"},
		{"6.4.2", frame(text1, "κόσμε\xf4") + frame(more, "\x90") + frame(cont, "\x80\x80edited"), "error InvalidUTF8"},
		{"6.4.1, the third is not sent", frame(text1, "κόσμε") + frame(more, "\xf4\x90\x80\x80"), "error InvalidUTF8"},
		{"6.4.2, the third is not sent", frame(text1, "κόσμε\xf4") + frame(more, "\x90"), "error InvalidUTF8"},
		{"6.4.3", frame(text, "κόσμε\xf4\x90\x80\x80edited")[:6+10+4], "error InvalidUTF8"},
		{"6.4.4", frame(text, "κόσμε\xf4\x90\x80\x80edited")[:6+10+2], "error InvalidUTF8"},
	}
	for _, s := range []string{
		"Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", // 6.2
		"\x00", "\u0080", "\u0800", "\U00010000", // 6.7: the first character of each length
		"\x7f", "\u07ff", "\uffff", "\U0010ffff", // 6.9: the last ones
		"\ud7ff", "\ue000", "\ufffd", // 6.11: next to the surrogates
		"\ufffe", "\U0001fffe", "\U000ffffe", "\U0010fffe", // 6.22: noncharacters are valid
	} {
		all = append(all, kind{"6, valid", frame(text, s), echoed(Text, s)}, kind{"6, valid", octets(s), echoed(Text, s)})
	}
	for _, s := range []string{
		"κόσμε\xed\xa0\x80edited",                // 6.3
		"\xce", "κ\xe1", "κ\xe1\xbd", "κόσμ\xce", // 6.6: incomplete
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xf4\x90\x80\x80", "\xf7\xbf\xbf\xbf", // 6.8, 6.10, 6.11.5: beyond U+10FFFF
		"\x80", "\xbf", "\x80\xbf\x80", // 6.12: continuation bytes alone
		"\xc0 \xc1 ", "\xe0 \xe1 ", "\xf0 ", "\xf8 ", "\xfc ", // 6.13: first bytes alone
		"\xe0\x80", "\xf0\x80\x80", "\xdf", "\xef\xbf", // 6.14, 6.15: the last byte is missing
		"\xfe", "\xff", "\xfe\xfe\xff\xff", // 6.16
		"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xc0\x80", // 6.17 to 6.19: overlong
		"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", // 6.20, 6.21: surrogates
	} {
		for _, raw := range []string{frame(text, s), octets(s), frame(text1, s) + frame(cont, "x"), frame(text, "0123456789abcdef"+s+"0123456789abcdef")} {
			all = append(all, kind{"6, invalid", raw, "error InvalidUTF8"})
		}
	}
	return all
}

// closes are group 7.
func closes() (all []kind) {
	behind := frame(text, "behind") + frame(ping, "")
	all = []kind{
		{"7.1.1", frame(text, "Hello") + frame(end, "\x03\xe8"), "Text \"Hello\"\nClose \"\\x03\\xe8\""},
		{"7.1.2", frame(end, "\x03\xe8") + frame(end, "\x03\xe8"), `Close "\x03\xe8"`},
		{"7.1.3, 7.1.4", frame(end, "\x03\xe8") + behind, `Close "\x03\xe8"`},
		{"7.1.5", frame(text1, "fragment1") + frame(end, "\x03\xe8") + frame(cont, "fragment2"), `Close "\x03\xe8"`},
		{"7.3.1", frame(end, ""), `Close ""`},
		{"7.3.2", frame(end, "a"), "error ShortClose"},
		{"7.3.3", frame(end, "\x03\xe8") + behind, `Close "\x03\xe8"`},
		{"7.3.4", frame(end, "\x03\xe8Hello"), `Close "\x03\xe8Hello"`},
		{"7.3.5", frame(end, "\x03\xe8"+strings.Repeat("*", 123)), echoed(Close, "\x03\xe8"+strings.Repeat("*", 123))},
		{"7.3.6", frame(end, "\x03\xe8"+strings.Repeat("*", 124)), "error ControlTooLong"},
		{"7.5.1", frame(end, "\x03\xe8κόσμε\xed\xa0\x80edited"), "error InvalidUTF8"},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} { // 7.7
		p := string([]byte{byte(code >> 8), byte(code)})
		all = append(all, kind{fmt.Sprintf("7.7, %d", code), frame(end, p) + behind, echoed(Close, p)})
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535} { // 7.9, 7.13
		p := string([]byte{byte(code >> 8), byte(code)})
		all = append(all, kind{fmt.Sprintf("7.9, %d", code), frame(end, p), "error BadCloseCode"})
	}
	return all
}

func TestKinds(t *testing.T) {
	for _, k := range kinds() {
		if got := cutEverywhere(t, k.raw, nil); got != k.want {
			t.Errorf("%s: %.100q\n got %.300s\nwant %.300s", k.cases, k.raw, got, k.want)
		}
	}
}

// TestKindsDeflated sends compressed JSON of several sizes and windows, whole and in fragments with pings between them:
// groups 12 and 13.
func TestKindsDeflated(t *testing.T) {
	var d Deflater
	for _, c := range []struct {
		size, bits, fragment int
	}{{16, 0, 0}, {64, 9, 0}, {1024, 9, 0}, {1024, 15, 256}, {8192, 0, 256}, {8192, 8, 256}, {131072, 0, 1024}, {131072, 12, 4096}} {
		msg := jsonOf(c.size)
		packed := d.Append(nil, msg, c.bits)
		raw, first := "", text1|rsv1
		for c.fragment > 0 && len(packed) > c.fragment {
			raw += frame(first, string(packed[:c.fragment])) + frame(ping, "")
			packed, first = packed[c.fragment:], more
		}
		pings := strings.Repeat("Ping \"\"\n", strings.Count(raw, frame(ping, "")))
		raw += frame(first|fin, string(packed))
		if got, want := cutEverywhere(t, raw, &Rules{Deflate: true}), pings+echoed(Text, string(msg)); got != want {
			t.Errorf("%+v: got %.300s\nwant %.300s", c, got, want)
		}
	}
}
