package httplite

import (
	"strings"
	"testing"

	"ccomet/httplite/attacks"
)

// come is the result of an input: the requests in it, and how it ended.
type come struct {
	requests []outcome
	last     outcome // what is refused; of an incomplete request: the zero outcome
	left     int     // bytes that belong to no request
	ends     bool
}

// readAll reads requests from raw like a server that gets it in pieces, which end at the cuts and at the end.
func readAll(t testing.TB, r *Request, raw []byte, scratch []byte, cuts ...int) (c come) {
	buf := scratch[:0]
	r.Reset()
	at := 0
	for i := 0; i <= len(cuts); i++ {
		cut := len(raw)
		if i < len(cuts) {
			cut = cuts[i]
		}
		buf = append(buf, raw[at:cut]...)
		at = cut
		for len(buf) > 0 && !c.ends {
			n, err := r.Parse(buf, nil)
			if err != nil {
				c.last = look(t, r, n, err)
				return c
			}
			if n == 0 {
				break
			}
			o := look(t, r, n, nil)
			c.requests = append(c.requests, o)
			// A server without a tunnel for CONNECT cannot tell whether a request follows it.
			c.ends = !o.keepAlive || o.method == CONNECT
			buf = buf[n:]
		}
	}
	c.left = len(buf)
	return c
}

func (c *come) equals(o *come) bool {
	if c.last != o.last || c.left != o.left || c.ends != o.ends || len(c.requests) != len(o.requests) {
		return false
	}
	for i := range c.requests {
		if c.requests[i] != o.requests[i] {
			return false
		}
	}
	return true
}

// check compares the result of a case with the expected one.
func (c *come) check(t *testing.T, want *attacks.Case) {
	t.Helper()
	for i, o := range c.requests {
		if i < len(want.Want) && (attacks.Request{Method: o.verb, Target: o.target, Body: o.body}) != want.Want[i] {
			t.Errorf("request %d is %v, want %+v", i, o, want.Want[i])
		}
	}
	if len(c.requests) != len(want.Want) {
		t.Errorf("%d requests, want %d: %v", len(c.requests), len(want.Want), c.requests)
	}
	refused := attacks.Refusal{}
	if want.Refused != nil {
		refused = *want.Refused
	}
	if k := c.last.kind; k.String() != refused.Rule && (k != 0 || refused.Rule != "") || faults[k].Status != refused.Status {
		t.Errorf("refused: %v (%d), want %+v", k, faults[k].Status, refused)
	}
	if waits := c.last.kind == 0 && !c.ends && c.left > 0; waits != want.Waits || c.ends != want.Ends {
		t.Errorf("waits %v, ends %v, with %d bytes left", waits, c.ends, c.left)
	}
}

// Every attack in the tables has the expected result, and the same result however it is cut: in single bytes, and
// in two at every byte. Very long attacks, which repeat the same over and over, are not cut at every byte.
func TestAttacks(t *testing.T) {
	cases, err := attacks.Read("testdata/attacks")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 400 {
		t.Errorf("only %d attacks", len(cases))
	}
	var r Request
	scratch := make([]byte, 0, 1<<16)
	for i := range cases {
		c := &cases[i]
		t.Run(c.Name, func(t *testing.T) {
			raw := []byte(c.Raw)
			whole := readAll(t, &r, raw, scratch)
			whole.check(t, c)
			every := make([]int, 0, len(raw))
			for cut := range len(raw) {
				every = append(every, cut)
				if len(raw) > 2000 && cut > 100 && cut < len(raw)-100 && cut%509 != 0 {
					continue
				}
				if got := readAll(t, &r, raw, scratch, cut); !got.equals(&whole) {
					t.Fatalf("cut at %d:\n got %v\nwant %v", cut, got, whole)
				}
			}
			if got := readAll(t, &r, raw, scratch, every...); !got.equals(&whole) {
				t.Fatalf("in bytes:\n got %v\nwant %v", got, whole)
			}
		})
	}
}

// Nothing that is smuggled in a body or after a refusal is ever a request: no case of the tables expects one.
func TestAttacksWantNothingSmuggled(t *testing.T) {
	cases, err := attacks.Read("testdata/attacks")
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	for _, c := range cases {
		tries += strings.Count(c.Raw, "cb=smuggled")
		for _, w := range c.Want {
			if strings.Contains(w.Target, "smuggled") {
				t.Errorf("%s: %v", c.Name, w)
			}
		}
	}
	if tries < 60 {
		t.Errorf("only %d requests are smuggled", tries)
	}
}

// For each rule for requests there is an attack that breaks it.
func TestAttacksBreakEveryRule(t *testing.T) {
	cases, err := attacks.Read("testdata/attacks")
	if err != nil {
		t.Fatal(err)
	}
	broken := map[string]bool{}
	for _, c := range cases {
		if c.Refused != nil {
			broken[c.Refused.Rule] = true
		}
	}
	for k := Kind(1); k < numKinds; k++ {
		if k != BadStatusLine && !broken[k.String()] {
			t.Errorf("no attack breaks %v", k)
		}
	}
}
