package web

import (
	"bytes"
	"fmt"
	"strconv"

	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
)

// params are the parameters of the request that is served. They come in the query, or in
// the form of a POST, which wins (body.go). A loop has one such record, which its exchanges
// use in turn: what it decodes is good until the next request.
type params struct {
	compat  *Compat
	query   []byte
	form    []byte      // a POST's body, where that is a form
	decoded []byte      // where values are decoded
	topics  []hub.Topic // the channels that the request names
}

// begin takes the parameters of another request.
func (p *params) begin(query []byte) {
	p.query, p.form, p.decoded, p.topics = query, nil, p.decoded[:0], p.topics[:0]
}

// trim lets go of the last request's bytes, and of a buffer that something large was decoded in.
func (p *params) trim() {
	clear(p.topics)
	p.begin(nil)
	pool.Trimmed(&p.decoded)
}

// arg returns a parameter, decoded: of the form if it is there, else of the
// query. ok is false when it is absent. The bytes are good while the request is served.
func (p *params) arg(name string) (value []byte, ok bool) {
	raw, ok := p.param(p.form, name)
	if !ok {
		if raw, ok = p.param(p.query, name); !ok {
			return nil, false
		}
	}
	return p.unescape(raw), true
}

// param returns the first parameter of a name, not decoded.
func (p *params) param(args []byte, name string) (value []byte, ok bool) {
	if p.compat.AnyCase {
		return httplite.GetArgFold(args, name)
	}
	return httplite.GetArg(args, name)
}

func (p *params) has(args []byte, name string) bool {
	_, ok := p.param(args, name)
	return ok
}

// named says whether a parameter's name, not decoded, is this one.
func (p *params) named(key []byte, name string) bool {
	if p.compat.AnyCase {
		return httplite.EqualUnescapedFold(key, name)
	}
	return httplite.EqualUnescaped(key, name)
}

// unescape decodes the value of a parameter. What a parameter without "=" has is nothing.
func (p *params) unescape(raw []byte) []byte {
	if bytes.IndexByte(raw, '%') < 0 && bytes.IndexByte(raw, '+') < 0 {
		return raw
	}
	at := len(p.decoded)
	p.decoded = httplite.AppendUnescape(p.decoded, raw)
	return p.decoded[at:len(p.decoded):len(p.decoded)]
}

// given says whether a request says name=1.
func (p *params) given(name string) bool {
	value, _ := p.arg(name)
	return len(value) == 1 && value[0] == '1'
}

// argOnce is arg for a parameter that a request may not have twice with different values,
// of which one would be ignored. Each publish has two, so they are looked for and compared in
// one pass.
func (p *params) argOnce(name string) (value []byte, ok bool, twice error) {
	for _, raw := range [...][]byte{p.form, p.query} {
		for args := httplite.ParseArgs(raw); ; {
			key, another, more := args.Next()
			if !more {
				break
			}
			if !p.named(key, name) {
				continue
			}
			if !ok {
				value, ok = p.unescape(another), true
			} else if !bytes.Equal(p.unescape(another), value) {
				return value, true, fmt.Errorf("parameter %s is there twice: send a request for each", name)
			}
			if p.compat.FirstOfTwo {
				break
			}
		}
		if ok {
			break // the query is not asked where the form has it
		}
	}
	return value, ok, nil
}

// numberArg returns an int32 parameter, or def where it is missing or empty.
func (p *params) numberArg(name string, def int32) (int32, error) {
	raw, _ := p.arg(name)
	if len(raw) == 0 {
		return def, nil
	}
	return p.number(raw, name)
}

// boundedArg is numberArg for a number from 0 to most.
func (p *params) boundedArg(name string, def, most int32) (int32, error) {
	n, err := p.numberArg(name, def)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("parameter %s: want 0 to %d", name, most)
	}
	return n, nil
}

func (p *params) number(raw []byte, name string) (int32, error) {
	if p.compat.LenientNumbers {
		return atoi(raw), nil
	}
	v, err := strconv.ParseInt(string(raw), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("parameter %s: want a whole number of 32 bits", name)
	}
	return int32(v), nil
}

// atoi reads a number as C's function of this name does where a long has 64 bits: white
// space, a sign, and the digits that follow; 0 without any. What a long does not hold is
// the nearest that it does, and of a long the low 32 bits count.
func atoi(raw []byte) int32 {
	raw = bytes.TrimLeft(raw, " \t\n\v\f\r")
	end := 0
	if end < len(raw) && (raw[0] == '-' || raw[0] == '+') {
		end++
	}
	for end < len(raw) && raw[end] >= '0' && raw[end] <= '9' {
		end++
	}
	v, _ := strconv.ParseInt(string(raw[:end]), 10, 64) // 0 for no number; the nearest, out of range
	return int32(v)
}

// nameArg returns the channel's name, which must be there.
func (p *params) nameArg() ([]byte, error) {
	cname, _, twice := p.argOnce("cname")
	if err := p.checkName(cname); err != nil {
		return nil, err
	}
	return cname, twice
}

// callbackArg returns the JSONP callback, empty if there is none.
func (p *params) callbackArg() ([]byte, error) {
	cb, _ := p.arg("cb")
	if len(cb) > 0 && !isCallback(cb) {
		return nil, badCallback("cb")
	}
	return cb, nil
}

func badCallback(name string) error {
	return fmt.Errorf("parameter %s: want a JavaScript name of letters, digits, _ $, dots and [NUMBER], at most %d long", name, MaxCallback)
}

// isCallback says whether cb is what a page may call: identifiers, dots and [digits], as
// in "app.handlers[3]". Whatever else a page is made to ask for must not come back as its
// own script.
func isCallback(cb []byte) bool {
	index := false // within brackets
	for i, b := range cb {
		switch {
		case b >= '0' && b <= '9':
			if i == 0 || cb[i-1] == ']' {
				return false
			}
		case index:
			if b != ']' || cb[i-1] == '[' {
				return false
			}
			index = false
		case b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z', b == '_', b == '$':
			if i > 0 && cb[i-1] == ']' {
				return false
			}
		case b == '.' && i > 0:
		case b == '[' && i > 0 && cb[i-1] != '.':
			index = true
		default:
			return false
		}
	}
	return len(cb) > 0 && len(cb) <= MaxCallback && !index
}

func (p *params) checkName(cname []byte) error {
	if len(cname) == 0 && !p.compat.EmptyNames {
		return record.ErrNoName
	}
	return record.CheckName(cname)
}

// MaxCallback is the bytes of a JSONP callback's name.
const MaxCallback = 128
