package record

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// CCometMark is what names of the CComet dialect's channels begin with, at their home:
// no other name can have it, since control characters are refused.
const CCometMark = 0x01

// MaxCCometName is the bytes of a channel's name in CComet's dialect.
const MaxCCometName = MaxName - 1

// MaxSeqid bounds the number that clients may take a channel to: messages by the
// billion are left behind it.
const MaxSeqid = 1 << 30

// Dialects of a channel. One that is fresh has given no number yet.
const (
	DialectOurs uint8 = iota
	DialectCCometFresh
	DialectCComet
)

// Dialect is what is particular to the channels of a dialect, beside how it is spoken.
type Dialect struct {
	Name   string
	Marked bool  // their names begin with CCometMark, at their home alone
	First  int32 // numbers are less by so much in the dialect
	Tokens bool  // a subscriber may need a token
}

// Dialects has a row for each of the dialects of a channel.
var Dialects = [...]Dialect{
	DialectOurs:        {Name: "icomet", Tokens: true},
	DialectCCometFresh: {Name: "ccomet", Marked: true, First: 1},
	DialectCComet:      {Name: "ccomet", Marked: true, First: 1},
}

// DialectOf is the dialect of a new channel of that name.
func DialectOf(cname []byte) uint8 {
	if len(cname) > 0 && cname[0] == CCometMark {
		return DialectCCometFresh
	}
	return DialectOurs
}

// CheckCCometName says what is wrong with a name of CComet's dialect, of at most so many
// bytes; what names it in the error.
func CheckCCometName(what string, name []byte, most int) error {
	if len(name) > most {
		return fmt.Errorf("%s is %d bytes: at most %d", what, len(name), most)
	}
	for _, b := range name {
		if b < ' ' || b == 0x7F {
			return fmt.Errorf("%s: control characters are not allowed", what)
		}
	}
	return nil
}

// CheckName says what is wrong with a channel's name, but for one without a byte.
func CheckName(cname []byte) error {
	unusual := byte(0)
	for _, b := range cname {
		unusual |= (b - ' ') | (b + 1) // the top bit: it is below a space, or above a tilde
	}
	switch {
	case len(cname) > MaxName:
		return fmt.Errorf("parameter cname: %d bytes, at most %d", len(cname), MaxName)
	case unusual < utf8.RuneSelf:
		return nil
	case !utf8.Valid(cname):
		return errors.New("parameter cname: not UTF-8")
	case bytes.ContainsFunc(cname, isControl):
		return errors.New("parameter cname: control characters are not allowed")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7F }

// ErrNoName is what is wrong with a name without a byte, where that is none.
var ErrNoName = errors.New("parameter cname is missing")

// MaxName is the bytes of a channel's name, or a subscriber's.
const MaxName = 255
