package httplite

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// outcome is everything that a request tells after Parse has finished, in comparable form.
type outcome struct {
	n         int
	kind      Kind
	limit     int
	method    Method
	verb      string
	target    string
	path      string
	query     string
	host      string
	minor     int
	keepAlive bool
	headers   string // name=value and LF for each
	body      string
}

func (o outcome) String() string {
	if o.kind != 0 {
		return fmt.Sprintf("%v (limit %d)", o.kind, o.limit)
	}
	type plain outcome
	return fmt.Sprintf("%+v", plain(o))
}

// look asks r for everything after Parse has returned n and err.
func look(t testing.TB, r *Request, n int, err error) outcome {
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || n != 0 {
			t.Fatalf("Parse returned %d and %T %v, want 0 and an *Error", n, err, err)
		}
		return outcome{kind: e.Kind, limit: e.Limit}
	}
	if n == 0 {
		return outcome{}
	}
	o := outcome{
		n: n, method: r.Method(), verb: string(r.MethodBytes()), target: string(r.Target()),
		path: string(r.Path()), query: string(r.Query()), host: string(r.Host()), minor: r.Minor(),
		keepAlive: r.KeepAlive(), body: string(r.Body()),
	}
	for i := range r.NumHeaders() {
		name, value := r.HeaderAt(i)
		o.headers += fmt.Sprintf("%s=%s\n", name, value)
	}
	return o
}

// feed gives raw to a Request in pieces that end at the cuts and at the end, each time in different
// memory, until the request is complete or refused.
func feed(t testing.TB, raw string, lim *Limits, cuts ...int) outcome {
	var r Request
	var buf []byte
	at := 0
	for _, cut := range append(cuts, len(raw)) {
		buf = append(bytes.Clone(buf), raw[at:cut]...)
		at = cut
		n, err := r.Parse(buf, lim)
		if n != 0 || err != nil {
			return look(t, &r, n, err)
		}
	}
	return outcome{}
}

// feedBytes gives raw byte by byte, and returns how many bytes were needed for a result.
func feedBytes(t testing.TB, raw string, lim *Limits) (outcome, int) {
	var r Request
	var buf []byte
	for i := range len(raw) {
		if len(buf) == cap(buf) || len(raw) < 2000 { // move often, but keep long inputs linear
			buf = append(make([]byte, 0, 2*len(buf)+1), buf...)
		}
		buf = append(buf, raw[i])
		n, err := r.Parse(buf, lim)
		if n != 0 || err != nil {
			return look(t, &r, n, err), i + 1
		}
	}
	return outcome{}, len(raw)
}

// cutEverywhere returns the outcome of raw, after checking that it is the same when raw is cut in
// two at every byte, and in single bytes.
func cutEverywhere(t *testing.T, raw string, lim *Limits) outcome {
	t.Helper()
	whole := feed(t, raw, lim)
	for cut := 0; cut <= len(raw) && len(raw) < 4000; cut++ {
		if got := feed(t, raw, lim, cut); got != whole {
			t.Fatalf("cut at %d of %q:\n got %v\nwant %v", cut, raw, got, whole)
		}
	}
	if got, _ := feedBytes(t, raw, lim); got != whole {
		t.Fatalf("a byte at a time of %q:\n got %v\nwant %v", raw, got, whole)
	}
	return whole
}
