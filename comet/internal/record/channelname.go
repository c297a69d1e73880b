package record

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// CCometMark begins the names of the CComet dialect's channels, at their home. No other
// name can begin with it, because control characters are refused.
const CCometMark = 0x01

// MaxCCometName is the length of the longest name of a channel in CComet's dialect, in
// bytes.
const MaxCCometName = MaxName - 1

// MaxSeqid bounds the number to which clients may set a channel. A billion messages can
// follow.
const MaxSeqid = 1 << 30

// Dialects of a channel. A fresh channel has not given a number yet.
const (
	DialectOurs uint8 = iota
	DialectCCometFresh
	DialectCComet
)

// Dialect is what is special about the channels of a dialect, beside its syntax.
type Dialect struct {
	Name   string
	Marked bool  // their names begin with CCometMark, but only at their home
	First  int32 // numbers are so much lower in the dialect
	Tokens bool  // a subscriber may need a token
}

// Dialects has a row for each dialect of a channel.
var Dialects = [...]Dialect{
	DialectOurs:        {Name: "icomet", Tokens: true},
	DialectCCometFresh: {Name: "ccomet", Marked: true, First: 1},
	DialectCComet:      {Name: "ccomet", Marked: true, First: 1},
}

// DialectOf returns the dialect of a new channel with that name.
func DialectOf(cname []byte) uint8 {
	if len(cname) > 0 && cname[0] == CCometMark {
		return DialectCCometFresh
	}
	return DialectOurs
}

// CheckCCometName checks a name of CComet's dialect, whose longest length is most
// bytes. The error calls the name what.
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

// CheckName checks a channel's name. It accepts an empty one.
func CheckName(cname []byte) error {
	unusual := byte(0)
	for _, b := range cname {
		unusual |= (b - ' ') | (b + 1) // the top bit is set for a byte below a space or above a tilde
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

// ErrNoName is the error for an empty name, where that is not allowed.
var ErrNoName = errors.New("parameter cname is missing")

// MaxName is the length of the longest name of a channel or a subscriber, in bytes.
const MaxName = 255
