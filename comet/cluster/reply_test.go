package cluster

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// answerOf returns an answer to XREAD as Redis writes it.
func answerOf(streams ...string) string {
	return fmt.Sprintf("*%d\r\n%s", len(streams), strings.Join(streams, ""))
}

func streamOf(key string, entries ...string) string {
	return fmt.Sprintf("*2\r\n%s*%d\r\n%s", wordOf(key), len(entries), strings.Join(entries, ""))
}

func entryOf(id string, texts ...string) string {
	out := fmt.Sprintf("*2\r\n%s*%d\r\n", wordOf(id), len(texts))
	for _, text := range texts {
		out += wordOf(text)
	}
	return out
}

func wordOf(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// takeApart parses text that arrives in pieces of size bytes, and lists what it finds.
func takeApart(text []byte, size int, keys ...string) (list []string, err error) {
	in, from, a, e := inlet{least: busRoom}, bytes.NewReader(text), reply{}, streamEntry{}
	for {
		what, used, err := a.next(in.rest(), keys, &e)
		in.take(used)
		switch {
		case err != nil:
			return list, err
		case what == foundEnd:
			list = append(list, "end")
		case what == foundEntry:
			list = append(list, fmt.Sprintf("%d %s %q", e.stream, e.id, e.texts))
		default:
			room := in.room()
			n, err := from.Read(room[:min(size, len(room))])
			if in.filled(n); err == io.EOF {
				return list, nil
			}
		}
	}
}

// TestReply parses answers, whatever the pieces in which they arrive.
func TestReply(t *testing.T) {
	long := strings.Repeat("x", 3*inletKept)
	text := answerOf(streamOf("a", entryOf("1-0", "e", "one"), entryOf("1-1", "e", long)), streamOf("c", entryOf("2-0", "n", "node", "b", ""))) +
		"*-1\r\n" + answerOf(streamOf("b", entryOf("3-0"))) + "*0\r\n"
	want := []string{
		`0 1-0 ["e" "one"]`, fmt.Sprintf(`0 1-1 ["e" %q]`, long), `2 2-0 ["n" "node" "b" ""]`, "end",
		"end", `1 3-0 []`, "end", "end",
	}
	for _, size := range []int{1 << 30, 1000, 7} {
		got, err := takeApart([]byte(text), size, "a", "b", "c")
		if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("in pieces of %d bytes: %.300q, %v", size, got, err)
		}
	}
}

// TestReplyRefused: malformed answers are refused as early as possible.
func TestReplyRefused(t *testing.T) {
	for text, want := range map[string]string{
		"-ERR wrong\r\n":                       "wrong",
		"-MOVED 1 a:1\r\n":                     "MOVED 1 a:1",
		"+OK\r\n":                              errAnswer.Error(),
		":1\r\n":                               errAnswer.Error(),
		"*1\n":                                 errAnswer.Error(),
		"*\r\n":                                errAnswer.Error(),
		"*1x\r\n":                              errAnswer.Error(),
		"*-2\r\n":                              errAnswer.Error(),
		"*99999999999999999999\r\n":            errAnswer.Error(),
		"*" + strings.Repeat("0", longestLine): errAnswer.Error(),
		"*1\r\n*3\r\n":                         errAnswer.Error(),
		answerOf(streamOf("other")):            errAnswer.Error(),
		answerOf(streamOf("b"), streamOf("a")): errAnswer.Error(),
		answerOf(streamOf("a", entryOf("1-0", "e"))):   errAnswer.Error(),
		"*1\r\n*2\r\n$1\r\naxx":                        errAnswer.Error(),
		"*1\r\n*2\r\n$-1\r\n":                          errAnswer.Error(),
		"*1\r\n*2\r\n$536870913\r\n":                   errAnswer.Error(),
		"*1\r\n*2\r\n$1\r\na\r\n*1\r\n*2\r\n$0\r\n-\r": errAnswer.Error(),
	} {
		if got, err := takeApart([]byte(text), 1<<30, "a", "b"); err == nil || err.Error() != want {
			t.Errorf("%.60q: %.300q, %v", text, got, err)
		}
	}
}

// FuzzReply parses any bytes as answers: the result does not depend on the pieces in which they arrive,
// and has no more parts than the bytes can hold.
func FuzzReply(f *testing.F) {
	f.Add([]byte(answerOf(streamOf("a", entryOf("1-0", "e", "one"), entryOf("1-1", "e", "")), streamOf("b", entryOf("2-0", "n", "node")))), uint8(3))
	f.Add([]byte("*-1\r\n-NOAUTH Authentication required.\r\n"), uint8(1))
	f.Add([]byte("*1\r\n*2\r\n$1\r\na\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*-1\r\n"), uint8(9))
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		whole, err := takeApart(text, 1<<30, "a", "b")
		parts, failed := takeApart(text, int(size)+1, "a", "b")
		if (err == nil) != (failed == nil) || err != nil && err.Error() != failed.Error() || strings.Join(whole, "\n") != strings.Join(parts, "\n") {
			t.Fatalf("%q is %q, %v, and in pieces of %d bytes %q, %v", text, whole, err, int(size)+1, parts, failed)
		}
		if n := strings.Count(strings.Join(whole, "\n"), "\n"); n > len(text)/4+1 {
			t.Fatalf("%q has %d parts", text, n)
		}
	})
}
