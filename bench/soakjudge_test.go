package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"ccomet/comet"
)

// trial is a judge with one channel. The contents are the numbers 1, 2, 3 and so on.
type trial struct {
	*judge
	contents int
}

func newTrial() *trial {
	f := &faults{began: time.Now(), tell: func(string) {}}
	return &trial{judge: newJudge([]string{"a"}, 3, 1<<20, f)}
}

// put publishes a message, and returns the content's key.
func (t *trial) put(broadcast bool) uint64 {
	t.contents++
	key := t.key(fmt.Append(nil, t.contents), broadcast)
	t.publishing(0, key)
	return key
}

// ack publishes a message and acknowledges it.
func (t *trial) ack(number int32, now int64) uint64 {
	key := t.put(false)
	t.acknowledged(0, key, number, number-1, 10, now)
	return key
}

func (t *trial) failed() bool {
	check, other, _ := t.faults.counts()
	return check.Failed() || other != 0
}

const gap = comet.StateGap

// judged are histories of a channel, allowed and forbidden ones.
var judged = map[string]struct {
	fails bool
	do    func(t *trial)
}{
	"all is well": {false, func(t *trial) {
		key := t.ack(1, 1)
		t.delivered(0, 1, key, 10)
		t.delivered(0, 1, key, 10)
		t.calm([]int32{2})
	}},
	"delivered before it is acknowledged": {false, func(t *trial) {
		key := t.put(false)
		t.delivered(0, 1, key, 10)
		t.acknowledged(0, key, 1, 0, 10, 1)
		t.calm([]int32{2})
	}},
	"two of the same content": {false, func(t *trial) {
		key := t.key([]byte("x"), false)
		t.publishing(0, key)
		t.publishing(0, key)
		t.delivered(0, 2, key, 1)
		t.acknowledged(0, key, 1, 0, 1, 1)
		t.acknowledged(0, key, 2, 0, 1, 1)
		t.calm([]int32{3})
	}},
	"what was never published": {true, func(t *trial) { t.delivered(0, 1, 77, 10) }},
	"another content than was published": {true, func(t *trial) {
		t.ack(1, 1)
		t.delivered(0, 1, t.put(false), 10)
	}},
	"one content under two numbers": {true, func(t *trial) {
		key := t.put(false)
		t.delivered(0, 1, key, 10)
		t.delivered(0, 2, key, 10)
	}},
	"one number for two": {true, func(t *trial) { t.ack(1, 1); t.ack(1, 1) }},
	"a number that goes back": {true, func(t *trial) {
		t.ack(5, 1)
		t.acknowledged(0, t.put(false), 4, 5, 10, 1)
	}},
	"refused and delivered": {true, func(t *trial) {
		key := t.put(false)
		t.delivered(0, 1, key, 10)
		t.refused(0, key)
	}},
	"unanswered, and taken or not": {false, func(t *trial) {
		t.put(false)
		t.delivered(0, 1, t.put(false), 10)
		t.calm([]int32{2})
	}},
	"a number that no message has": {true, func(t *trial) { t.ack(1, 1); t.ack(3, 1); t.calm([]int32{4}) }},
	"an acknowledged broadcast that does not come": {true, func(t *trial) {
		t.spread(t.put(true))
		t.calm([]int32{1})
	}},
	"an acknowledged broadcast that comes": {false, func(t *trial) {
		key := t.put(true)
		t.spread(key)
		t.delivered(0, 1, key, 10)
		t.calm([]int32{2})
	}},
	"stopped, and going on":             {false, func(t *trial) { t.ack(1, 1); t.restarted([]int32{2}, 0, false) }},
	"stopped, and going back":           {true, func(t *trial) { t.ack(1, 1); t.ack(2, 1); t.restarted([]int32{2}, 0, false) }},
	"stopped, and going on too far":     {true, func(t *trial) { t.ack(1, 1); t.restarted([]int32{3}, 0, false) }},
	"killed, with all that was written": {false, func(t *trial) { t.ack(1, 10); t.ack(2, 30); t.restarted([]int32{2 + gap}, 20, false) }},
	"killed, without what was written":  {true, func(t *trial) { t.ack(1, 10); t.ack(2, 15); t.restarted([]int32{2 + gap}, 20, false) }},
	"killed, and giving numbers again":  {true, func(t *trial) { t.ack(1, 10); t.ack(2, 30); t.restarted([]int32{2}, 20, false) }},
	"killed, with what was never there": {true, func(t *trial) { t.ack(1, 10); t.restarted([]int32{4 + gap}, 20, false) }},
	"killed twice, with one gap": {true, func(t *trial) {
		t.ack(1, 10)
		t.restarted([]int32{2 + gap}, 20, false)
		t.ack(2+gap, 30)
		t.restarted([]int32{2 + gap}, 20, false)
	}},
	"killed twice, with two": {false, func(t *trial) {
		t.ack(1, 10)
		t.restarted([]int32{2 + gap}, 20, false)
		t.ack(2+gap, 30)
		t.restarted([]int32{2 + 2*gap}, 20, false)
	}},
	"a number out of the gap is delivered": {true, func(t *trial) {
		key := t.put(false)
		t.restarted([]int32{1 + gap}, 20, false)
		t.delivered(0, 5, key, 10)
	}},
}

// TestJudge: allowed histories pass, and faults are found.
func TestJudge(t *testing.T) {
	for what, c := range judged {
		tr := newTrial()
		if c.do(tr); tr.failed() != c.fails {
			_, _, texts := tr.faults.counts()
			t.Errorf("%s: failed %v, want %v: %q", what, tr.failed(), c.fails, texts)
		}
	}
}

// TestMayLose: only numbers that are older than what the channel keeps may be gone, and those
// that a crash took, unless the server sheds.
func TestMayLose(t *testing.T) {
	tr := newTrial()
	for n := range int32(10) {
		tr.ack(n+1, int64(n))
	}
	is := func(want bool, from, to int32) {
		t.Helper()
		if got := tr.mayLose(0, from, to); got != want {
			t.Errorf("may lose %d to %d: %v, want %v", from, to-1, got, want)
		}
	}
	is(true, 1, 8) // it keeps three messages
	is(false, 1, 9)
	is(false, 10, 11)
	is(false, 9, 30) // these numbers do not exist
	tr.restarted([]int32{9 + comet.StateGap}, 7, false)
	is(true, 9, 9+comet.StateGap)
	is(false, 8, 9+comet.StateGap)
	is(true, 1, 6)
	is(false, 1, 7)
	tr.clearing(0)
	is(true, 8, 9+comet.StateGap)
	tr.cleared(0)
	is(true, 8, 9+comet.StateGap)
	tr.ack(9+comet.StateGap, 20)
	is(false, 9, 10+comet.StateGap)
	tr.restarted([]int32{10 + comet.StateGap}, 0, true)
	is(true, 9, 10+comet.StateGap)
}

// TestSoakObjects: the framing of each transport is removed, and malformed input is refused.
func TestSoakObjects(t *testing.T) {
	const one = `{"type":"data","cname":"\"a\"","seq":-7,"content":"\u003cx\\\u00e9"}`
	const two = `{"type":"noop","cname":"b","seq":0,"content":""}`
	read := func(tr soakTransport, line string) (got []string) {
		payload, id, ok := tr.unframe([]byte(line))
		if id != nil {
			got = append(got, "id "+string(id))
		}
		if ok && len(payload) > 0 {
			ok = soakObjects(payload, func(o *soakObject) { got = append(got, fmt.Sprintf("%s %s %d %s", o.kind, o.cname, o.seq, o.content)) })
		}
		if !ok {
			return []string{"bad"}
		}
		return got
	}
	first, second := `data "a" -7 <x\é`, "noop b 0 "
	for _, c := range []struct {
		transport soakTransport
		line      string
		want      []string
	}{
		{soakStream, one + "\n", []string{first}},
		{soakPoll, "[" + one + "," + two + "]\n", []string{first, second}},
		{soakJSONP, "soak_1(" + two + ");\n", []string{second}},
		{soakIframe, "<script>parent.icomet_cb(" + one + ");</script>\n", []string{first}},
		{soakIframe, "<!DOCTYPE html><html>\n", nil},
		{soakSSE, "id: 3.k3f9ab2,4\n", []string{"id 3.k3f9ab2,4"}},
		{soakSSE, "data: " + one + "\n", []string{first}},
		{soakSSE, "\n", nil},
		{soakStream, one, []string{"bad"}},
		{soakStream, one[1:] + "\n", []string{"bad"}},
		{soakStream, one + two + "\n", []string{"bad"}},
		{soakPoll, "[" + one + "\n", []string{"bad"}},
		{soakJSONP, "soak_2(" + two + ");\n", []string{"bad"}},
		{soakSSE, one + "\n", []string{"bad"}},
	} {
		if got := read(c.transport, c.line); !slices.Equal(got, c.want) && !(len(c.want) == 1 && c.want[0] == "bad" && got[len(got)-1] == "bad") {
			t.Errorf("%d %q: %q, want %q", c.transport, c.line, got, c.want)
		}
	}
}
