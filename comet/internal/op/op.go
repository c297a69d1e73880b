// Package op reads what the client of a WebSocket asks: a JSON object with an operation and
// what that needs.
package op

import (
	"errors"
	"strconv"
)

// Kind is what is asked.
type Kind uint8

const (
	None  Kind = iota
	Sub        // to join a channel
	Unsub      // to leave it
	Pub        // to publish
	Ping       // for an answer
	NumKinds
)

// Names are the kinds as clients name them, and figures.
var Names = [NumKinds]string{None: "none", Sub: "sub", Unsub: "unsub", Pub: "pub", Ping: "ping"}

// Op is one operation. Its bytes are those of the text it was read from, or of the room for
// what had to be decoded.
type Op struct {
	Kind    Kind
	Lost    bool   // the client asks for a message where messages are lost
	Told    bool   // there is an epoch, if an empty one: the client asks for it
	Quoted  bool   // the content is the inside of a JSON string; else the text of another value
	Seq     int32  // 0: none
	ID      []byte // a number or a string, as JSON; nil: none
	Cname   []byte // nil: none
	Token   []byte
	Epoch   []byte
	Key     []byte // nil: none
	Content []byte // nil: none. A string's is still escaped, and its surrogates need not come in pairs
}

// The bounds of a text, beside its length.
const (
	MaxDepth = 64 // of arrays and objects in each other, the operation's own object included
	MaxID    = 64 // bytes of an id, as JSON
)

// What is wrong with a text. They are shared.
var (
	errSyntax  = errors.New("not a JSON object")
	errDepth   = errors.New("arrays and objects are in each other more than " + strconv.Itoa(MaxDepth) + " deep")
	errTwice   = errors.New("a member is there twice")
	errOp      = errors.New("op: want sub, unsub, pub or ping")
	errID      = errors.New("id: want a number or a string, of at most " + strconv.Itoa(MaxID) + " bytes")
	errSeq     = errors.New("seq: want a whole number of 32 bits")
	errLost    = errors.New("lost: want true or false")
	errString  = errors.New("cname, token, epoch and key: want strings of whole characters")
	errContent = errors.New("content is missing")
)

// ErrContent is that there is nothing to be published.
var ErrContent = errContent

// members of an operation, as bits.
const (
	hasOp = 1 << iota
	hasID
	hasCname
	hasSeq
	hasToken
	hasEpoch
	hasLost
	hasContent
	hasKey
)

// Parse reads a text, which is UTF-8. Members may come in any order; those that are unknown,
// and null, are passed over. Strings that have to be decoded are appended to room. Where a
// member is wrong, the operation has the others, so that the answer can have the id.
func Parse(text, room []byte) (o Op, decoded []byte, err error) {
	r := reader{text: text, room: room}
	var wrong error
	err = r.object(&o, &wrong)
	switch {
	case err != nil:
	case wrong != nil:
		err = wrong
	case o.Kind == None:
		err = errOp
	}
	return o, r.room, err
}

// object reads the operation's object, behind which nothing may follow. wrong is what is wrong
// with its first member that is.
func (r *reader) object(o *Op, wrong *error) error {
	r.space()
	if !r.take('{') {
		return errSyntax
	}
	r.space()
	for seen, first := 0, true; !r.take('}'); first = false {
		if !first {
			if !r.take(',') {
				return errSyntax
			}
			r.space()
		}
		inside, plain, ok := r.str()
		if !ok {
			return errSyntax
		}
		name := inside
		if !plain {
			name, _ = r.decode(inside) // one that has half a surrogate pair is no name of ours
		}
		r.space()
		if !r.take(':') {
			return errSyntax
		}
		r.space()
		at := r.at
		if err := r.skip(); err != nil {
			return err
		}
		if err := r.member(o, string(name), r.text[at:r.at], &seen); err != nil && *wrong == nil {
			*wrong = err
		}
		r.space()
	}
	r.space()
	if r.at != len(r.text) {
		return errSyntax
	}
	return nil
}

// memberBits are the members that have a meaning.
var memberBits = map[string]int{
	"op":      hasOp,
	"id":      hasID,
	"cname":   hasCname,
	"seq":     hasSeq,
	"token":   hasToken,
	"epoch":   hasEpoch,
	"lost":    hasLost,
	"content": hasContent,
	"key":     hasKey,
}

// member notes a member's value, which is valid JSON.
func (r *reader) member(o *Op, name string, value []byte, seen *int) error {
	bit := memberBits[name]
	if bit == 0 {
		return nil
	}
	if *seen&bit != 0 {
		return errTwice
	}
	*seen |= bit
	if value[0] == 'n' { // null
		return nil
	}
	var err error
	switch bit {
	case hasOp:
		err = r.kind(o, value)
	case hasID:
		if c := value[0]; len(value) > MaxID || c != '"' && c != '-' && (c < '0' || c > '9') {
			return errID
		}
		o.ID = value
	case hasSeq:
		n, bad := strconv.ParseInt(string(value), 10, 32)
		if bad != nil {
			return errSeq
		}
		o.Seq = int32(n)
	case hasLost:
		if value[0] != 't' && value[0] != 'f' {
			return errLost
		}
		o.Lost = value[0] == 't'
	case hasContent:
		o.Content = value
		if value[0] == '"' {
			o.Quoted, o.Content = true, value[1:len(value)-1]
		}
	case hasCname:
		o.Cname, err = r.decoded(value)
	case hasToken:
		o.Token, err = r.decoded(value)
	case hasEpoch:
		o.Told = true
		o.Epoch, err = r.decoded(value)
	case hasKey:
		o.Key, err = r.decoded(value)
	}
	return err
}

func (r *reader) kind(o *Op, value []byte) error {
	name, err := r.decoded(value)
	if err != nil {
		return errOp
	}
	for k := Sub; k < NumKinds; k++ {
		if string(name) == Names[k] {
			o.Kind = k
			return nil
		}
	}
	return errOp
}

// decoded is what a string says.
func (r *reader) decoded(value []byte) ([]byte, error) {
	if value[0] != '"' {
		return nil, errString
	}
	inside, ok := r.decode(value[1 : len(value)-1])
	if !ok {
		return nil, errString
	}
	return inside, nil
}
