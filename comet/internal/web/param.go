package web

import (
	"bytes"
	"ccomet/comet/internal/record"
	"ccomet/httplite"
	"fmt"
	"strconv"
)

// A request's parameters, as its endpoint asks for them. They come in the query, or in
// the form of a POST, which wins (body.go).

// arg returns a parameter, decoded: of the form if it is there, else of the
// query. ok is false when it is absent. The bytes are good while the request is served.
func (w *Web) arg(x *exchange, name string) (value []byte, ok bool) {
	raw, ok := w.param(x.form, name)
	if !ok {
		if raw, ok = w.param(x.req.Query(), name); !ok {
			return nil, false
		}
	}
	return w.unescape(raw), true
}

// param returns the first parameter of a name, not decoded.
func (w *Web) param(args []byte, name string) (value []byte, ok bool) {
	if w.cfg.Compat.AnyCase {
		return httplite.GetArgFold(args, name)
	}
	return httplite.GetArg(args, name)
}

func (w *Web) has(args []byte, name string) bool {
	_, ok := w.param(args, name)
	return ok
}

// named says whether a parameter's name, not decoded, is this one.
func (w *Web) named(key []byte, name string) bool {
	if w.cfg.Compat.AnyCase {
		return httplite.EqualUnescapedFold(key, name)
	}
	return httplite.EqualUnescaped(key, name)
}

// unescape decodes the value of a parameter. What a parameter without "=" has is nothing.
func (w *Web) unescape(raw []byte) []byte {
	if bytes.IndexByte(raw, '%') < 0 && bytes.IndexByte(raw, '+') < 0 {
		return raw
	}
	at := len(w.args)
	w.args = httplite.AppendUnescape(w.args, raw)
	return w.args[at:len(w.args):len(w.args)]
}

// given says whether a request says name=1.
func (w *Web) given(x *exchange, name string) bool {
	value, _ := w.arg(x, name)
	return len(value) == 1 && value[0] == '1'
}

// once refuses a parameter that a request has twice with different values, of which
// one would be ignored.
func (w *Web) once(x *exchange, name string) error {
	if w.cfg.Compat.FirstOfTwo {
		return nil
	}
	for _, raw := range [...][]byte{x.form, x.req.Query()} {
		first, ok := w.param(raw, name)
		if !ok {
			continue
		}
		first = w.unescape(first)
		for args := httplite.ParseArgs(raw); ; {
			key, value, ok := args.Next()
			if !ok {
				return nil // the query is not asked where the form has it
			}
			if w.named(key, name) && !bytes.Equal(w.unescape(value), first) {
				return fmt.Errorf("parameter %s is there twice: send a request for each", name)
			}
		}
	}
	return nil
}

// numberArg returns an int32 parameter, or def where it is missing or empty.
func (w *Web) numberArg(x *exchange, name string, def int32) (int32, error) {
	raw, _ := w.arg(x, name)
	if len(raw) == 0 {
		return def, nil
	}
	return w.number(raw, name)
}

func (w *Web) number(raw []byte, name string) (int32, error) {
	if w.cfg.Compat.LenientNumbers {
		return Atoi(raw), nil
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
func Atoi(raw []byte) int32 {
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
func (w *Web) nameArg(x *exchange) ([]byte, error) {
	cname, _ := w.arg(x, "cname")
	if err := w.checkName(cname); err != nil {
		return nil, err
	}
	return cname, w.once(x, "cname")
}

// callbackArg returns the JSONP callback, empty if there is none.
func (w *Web) callbackArg(x *exchange) ([]byte, error) {
	cb, _ := w.arg(x, "cb")
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

func (w *Web) checkName(cname []byte) error {
	if len(cname) == 0 && !w.cfg.Compat.EmptyNames {
		return record.ErrNoName
	}
	return record.CheckName(cname)
}

// MaxCallback is the bytes of a JSONP callback's name.
const MaxCallback = 128
