package cluster

import (
	"fmt"
	"strings"
	"testing"

	"ccomet/comet/internal/mail"
)

// sequence makes one node do operations on one channel, one after the other.
func (j *judge) sequence(name string, ops ...mail.Op) (answers []mail.Mail) {
	j.t.Helper()
	for _, op := range ops {
		content := fmt.Sprintf("%s %d", opNames[op], len(j.answers))
		on := name
		if op == mail.OpBroadcast {
			on = ""
		}
		j.propose(op, on, "", content)
		answers = append(answers, j.answer(content))
	}
	return answers
}

var opNames = map[mail.Op]string{mail.OpPublish: "data", mail.OpBroadcast: "broadcast", mail.OpClose: "close", mail.OpClear: "clear", mail.OpNotice: "notice", mail.OpSign: "sign"}

// TestHistory: a node that comes later fetches the history: messages and broadcasts, in the order of
// their numbers. They have the numbers that the other nodes have told.
func TestHistory(t *testing.T) {
	const data, cast = mail.OpPublish, mail.OpBroadcast
	for name, c := range map[string]struct {
		ops  []mail.Op
		from int32
		want string // numbers
		more bool
	}{
		"messages":                  {[]mail.Op{data, data, data}, 1, "[1 2 3]", false},
		"from a number":             {[]mail.Op{data, data, data}, 3, "[3]", true},
		"broadcasts between":        {[]mail.Op{data, cast, cast, data, cast}, 1, "[1 2 3 4 5]", false},
		"broadcasts alone":          {[]mail.Op{cast, cast}, 1, "[1 2]", false},
		"behind a clear":            {[]mail.Op{data, cast, mail.OpClear, cast, data}, 1, "[3 4]", false},
		"behind a clear, nothing":   {[]mail.Op{data, mail.OpClear}, 1, "[]", false},
		"behind a close":            {[]mail.Op{data, mail.OpClose, data, cast}, 1, "[3 4]", false},
		"notices have no number":    {[]mail.Op{data, mail.OpNotice, data}, 1, "[1 2]", false},
		"a sign keeps the number":   {[]mail.Op{mail.OpSign, data, mail.OpSign, data}, 1, "[1 2]", false},
		"beyond all that is kept":   {[]mail.Op{data}, 2, "[]", true},
		"nothing was published yet": {nil, 1, "[]", false},
		"none is wanted":            {[]mail.Op{data}, 0, "[]", true},
		"none of broadcasts":        {[]mail.Op{cast}, 0, "[]", true},
		"none is wanted, nor there": {nil, 0, "[]", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := startRedis(t)
			one := startNode(t, 1, Config{}, r.url).judges[0]
			one.follow("room", 0)
			one.attachedTo("room")
			one.sequence("room", c.ops...)
			other := startNode(t, 1, Config{}, r.url).judges[0]
			other.follow("room", c.from)
			other.attachedTo("room")
			f := other.follows["room"]
			numbers, first := []int32{}, one.follows["room"]
			for _, m := range f.kept {
				numbers = append(numbers, m.seq)
				for _, told := range one.messages("room") {
					if told.seq == m.seq && told != m {
						t.Errorf("it keeps %v, and was told %v", m, told)
					}
				}
			}
			if got := fmt.Sprint(numbers); got != c.want || f.more != c.more {
				t.Errorf("numbers %s, more %t; want %s, %t", got, f.more, c.want, c.more)
			}
			waitFor(t, "both are where the channel is", func() bool {
				one.mu.Lock()
				defer one.mu.Unlock()
				return first.next == f.next
			})
		})
	}
}

// TestEpochs: each life of a channel has another epoch, which is the same at all nodes.
func TestEpochs(t *testing.T) {
	r := startRedis(t)
	one, other := startNode(t, 1, Config{}, r.url).judges[0], startNode(t, 1, Config{}, r.url).judges[0]
	epochs := map[uint32]bool{}
	for life := range 3 {
		one.follow("room", 0)
		one.attachedTo("room")
		other.follow("room", 0)
		other.attachedTo("room")
		if a, b := one.follows["room"].epoch, other.follows["room"].epoch; a != b || epochs[a] {
			t.Errorf("life %d: epochs %d and %d", life, a, b)
		}
		epochs[one.follows["room"].epoch] = true
		answers := one.sequence("room", mail.OpPublish, mail.OpClose)
		if seq := answers[1].Msg.Seq; seq != int32(2*life+2) {
			t.Errorf("the close of life %d has number %d: numbers go on over closes", life, seq)
		}
	}
}

// TestBroadcast: a broadcast gets a number in each channel, whether the channel has a key in Redis or
// not.
func TestBroadcast(t *testing.T) {
	r := startRedis(t)
	nodes := []*testNode{startNode(t, 2, Config{Partitions: 3}, r.url), startNode(t, 1, Config{Partitions: 3}, r.url)}
	names := append([]string{"idle", "still"}, rooms...)
	followAll(nodes, names...)
	for n := range 20 {
		for _, name := range rooms {
			nodes[n%2].home(name).propose(mail.OpPublish, name, "", fmt.Sprint(name, n))
		}
		all := fmt.Sprint("all ", n)
		nodes[(n+1)%2].judges[0].propose(mail.OpBroadcast, "", "", all)
		if m := nodes[(n+1)%2].judges[0].answer(all); m.Code != mail.CodeOK {
			t.Fatalf("a broadcast: code %d", m.Code)
		}
	}
	for _, name := range names {
		want := 20
		if name != "idle" && name != "still" {
			want = 40
		}
		for _, n := range nodes {
			waitFor(t, "all messages of "+name, func() bool { return len(n.home(name).messages(name)) == want })
		}
		one, other := nodes[0].home(name).messages(name), nodes[1].home(name).messages(name)
		if numbersOf(one) != numbersOf(other) {
			t.Errorf("%s:\n%s\n%s", name, numbersOf(one), numbersOf(other))
		}
	}
	if keys := r.must("KEYS", "*m:idle"); keys != "[]" {
		t.Errorf("a channel that only waits has %s in Redis", keys)
	}
}

// TestHistoryOfMany: a channel stores many messages, and more bytes than a node takes: the node gets
// the last of them.
func TestHistoryOfMany(t *testing.T) {
	r := startRedis(t)
	cfg := Config{History: 10000, HistoryBytes: 1 << 20}
	one := startNode(t, 1, cfg, r.url).judges[0]
	const many = 6000
	text := strings.Repeat("x", 200)
	for n := range many {
		one.propose(mail.OpPublish, "room", "", fmt.Sprint(text, n))
	}
	one.answer(fmt.Sprint(text, many-1))
	other := startNode(t, 1, cfg, r.url).judges[0]
	other.follow("room", 1)
	other.attachedTo("room")
	other.mu.Lock()
	defer other.mu.Unlock()
	f := other.follows["room"]
	last := f.kept[len(f.kept)-1]
	if len(f.kept) < 3000 || last.seq != many || last.content != fmt.Sprint(text, many-1) || f.next != many+1 {
		t.Errorf("%d messages, the last is %d, next %d", len(f.kept), last.seq, f.next)
	}
	_, stats, _ := strings.Cut(r.must("INFO", "commandstats"), "cmdstat_evalsha:")
	if stats, _, _ = strings.Cut(stats, "\n"); !strings.Contains(stats, ",failed_calls=0") {
		t.Errorf("a script has failed: %s", stats)
	}
}
