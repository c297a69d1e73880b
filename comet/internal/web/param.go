package web

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/pool"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
)

// params gives access to the parameters of the request that is served. They are in the query or
// in the form of a POST; the form has precedence (body.go). A loop has one params, which all
// its exchanges use: decoded values are valid until the next request.
type params struct {
	compat  *Compat
	query   []byte
	form    []byte      // the body of a POST, if it is a form
	decoded []byte      // buffer for decoded values
	topics  []hub.Topic // the channels that the request names
}

// begin prepares for another request.
func (p *params) begin(query []byte) {
	p.query, p.form, p.decoded, p.topics = query, nil, p.decoded[:0], p.topics[:0]
}

// trim drops references to the last request's bytes, and a decode buffer that has grown large.
func (p *params) trim() {
	clear(p.topics)
	p.begin(nil)
	pool.Trimmed(&p.decoded)
}

// arg returns the decoded value of a parameter, from the form or else from the query. ok is
// false if it is absent. The bytes are valid while the request is served.
func (p *params) arg(name string) (value []byte, ok bool) {
	raw, ok := p.param(p.form, name)
	if !ok {
		if raw, ok = p.param(p.query, name); !ok {
			return nil, false
		}
	}
	return p.unescape(raw), true
}

// param returns the raw value of the first parameter with this name.
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

// named reports whether key, the raw name of a parameter, is this name.
func (p *params) named(key []byte, name string) bool {
	if p.compat.AnyCase {
		return httplite.EqualUnescapedFold(key, name)
	}
	return httplite.EqualUnescaped(key, name)
}

// unescape decodes the value of a parameter.
func (p *params) unescape(raw []byte) []byte {
	if bytes.IndexByte(raw, '%') < 0 && bytes.IndexByte(raw, '+') < 0 {
		return raw
	}
	at := len(p.decoded)
	p.decoded = httplite.AppendUnescape(p.decoded, raw)
	return p.decoded[at:len(p.decoded):len(p.decoded)]
}

// given reports whether the parameter has the value 1.
func (p *params) given(name string) bool {
	value, _ := p.arg(name)
	return len(value) == 1 && value[0] == '1'
}

// argOnce is arg for a parameter that a request must not have twice with different values,
// since one of them would be ignored. Each publish uses it for two parameters, so it finds and
// compares the values in one pass.
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
				return value, true, fmt.Errorf("parameter %s is given twice: send a request for each", name)
			}
			if p.compat.FirstOfTwo {
				break
			}
		}
		if ok {
			break // the query counts only if the form does not have it
		}
	}
	return value, ok, nil
}

// numberArg returns an int32 parameter, or def if it is missing or empty.
func (p *params) numberArg(name string, def int32) (int32, error) {
	raw, _ := p.arg(name)
	if len(raw) == 0 {
		return def, nil
	}
	return p.number(raw, name)
}

// boundedArg is numberArg with the bounds 0 and most.
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

// atoi parses a number as C's atoi does with a 64-bit long: white space, a sign, then digits; 0
// if there are no digits. A number out of the range of long becomes the nearest long. The
// result is the low 32 bits of the long.
func atoi(raw []byte) int32 {
	raw = bytes.TrimLeft(raw, " \t\n\v\f\r")
	end := 0
	if end < len(raw) && (raw[0] == '-' || raw[0] == '+') {
		end++
	}
	for end < len(raw) && raw[end] >= '0' && raw[end] <= '9' {
		end++
	}
	v, _ := strconv.ParseInt(string(raw[:end]), 10, 64) // 0 if there are no digits; clamped if out of range
	return int32(v)
}

// nameArg returns the channel's name. It is an error if the name is missing.
func (p *params) nameArg() ([]byte, error) {
	cname, _, twice := p.argOnce("cname")
	if err := p.checkName(cname); err != nil {
		return nil, err
	}
	return cname, twice
}

// callbackArg returns the JSONP callback, or an empty slice if there is none.
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

// isCallback reports whether cb is a valid callback: identifiers, dots and [digits], as in
// "app.handlers[3]". Anything else could inject a script into the page that loads the response.
func isCallback(cb []byte) bool {
	index := false // between [ and ]
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

// badName returns what is wrong with a channel's name in JSON, where it is no parameter, or "".
func (p *params) badName(cname []byte) string {
	if err := p.checkName(cname); err != nil {
		return strings.TrimPrefix(err.Error(), "parameter ")
	}
	return ""
}

// MaxCallback is the maximum length of a JSONP callback's name, in bytes.
const MaxCallback = 128
