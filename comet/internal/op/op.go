// Package op parses the operations that the clients of WebSockets send: JSON objects.
package op

import (
	"errors"
	"strconv"

	"ccomet/comet/internal/jsontext"
)

// Kind is the kind of an operation.
type Kind uint8

const (
	None  Kind = iota
	Sub        // joins a channel
	Unsub      // leaves it
	Pub        // publishes
	Ping       // asks for an answer
	NumKinds
)

// Names are the names of the kinds, on the wire and in figures.
var Names = [NumKinds]string{None: "none", Sub: "sub", Unsub: "unsub", Pub: "pub", Ping: "ping"}

// Op is one operation. Its bytes are slices of the text it was parsed from, or of the memory
// for decoded strings.
type Op struct {
	Kind    Kind
	Lost    bool   // the client wants a message where messages are lost
	Told    bool   // there is an epoch, even an empty one: the client wants to be told it
	Quoted  bool   // Content is the inside of a JSON string; else the text of another value
	Seq     int32  // 0: none
	ID      []byte // a number or a string, as JSON; nil: none
	Cname   []byte // nil: none
	Token   []byte
	Epoch   []byte
	Key     []byte // nil: none
	Content []byte // nil: none. A string is still escaped, and may have unpaired surrogates
	Size    int    // bytes of the decoded Content, if all surrogates are paired
	Plain   bool   // Content is a string in which all surrogates are paired, without U+2028 and U+2029
}

// MaxID is the length of the longest id, as JSON, in bytes.
const MaxID = 64

// The errors of a text. They are shared.
var (
	errSyntax  = errors.New("not a JSON object")
	errDepth   = errors.New(jsontext.TooDeep + ": at most " + strconv.Itoa(jsontext.MaxDepth) + " arrays and objects in each other")
	errTwice   = errors.New("a member occurs twice")
	errOp      = errors.New("op: want sub, unsub, pub or ping")
	errID      = errors.New("id: want a number or a string, of at most " + strconv.Itoa(MaxID) + " bytes")
	errSeq     = errors.New("seq: want a whole number of 32 bits")
	errLost    = errors.New("lost: want true or false")
	errString  = errors.New("cname, token, epoch and key: want strings without half a surrogate pair")
	errContent = errors.New("content is missing")
)

// ErrContent: there is no content to publish.
var ErrContent = errContent

// The members of an operation, as bits.
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

// reader parses an operation.
type reader struct {
	jsontext.Reader
	seen int
	room []byte // memory for decoded strings
}

// Parse parses a text, which must be UTF-8. Members may come in any order; unknown ones, and
// null, are ignored. Strings that must be decoded are appended to room. If a member is wrong,
// the operation has the others, so that the answer can contain the id.
func Parse(text, room []byte) (o Op, decoded []byte, err error) {
	r := reader{Reader: jsontext.Reader{In: text, Depth: jsontext.MaxDepth, Halves: true}, room: room}
	wrong, ok := r.object(&o)
	switch {
	case !ok && r.Wrong == jsontext.TooDeep:
		err = errDepth
	case !ok:
		err = errSyntax
	case wrong != nil:
		err = wrong
	case o.Kind == None:
		err = errOp
	}
	return o, r.room, err
}

// object parses the operation's object, which nothing may follow. wrong is the error of the
// first wrong member; false: it is no JSON.
func (r *reader) object(o *Op) (wrong error, ok bool) {
	r.Space()
	if !r.Take('{') {
		return nil, false
	}
	r.Space()
	for first := true; !r.Take('}'); first = false {
		if !first {
			if !r.Take(',') {
				return wrong, false
			}
			r.Space()
		}
		name, ok := r.ReadString()
		if !ok {
			return wrong, false
		}
		if r.Space(); !r.Take(':') {
			return wrong, false
		}
		r.Space()
		if err := r.member(o, &name); err != nil && wrong == nil {
			wrong = err
		}
		if r.Wrong != "" {
			return wrong, false
		}
		r.Space()
	}
	r.Space()
	return wrong, r.Pos == len(r.In)
}

// bitOf returns the bit of a member, 0 for an unknown name.
func bitOf(name []byte) int {
	switch string(name) {
	case "op":
		return hasOp
	case "id":
		return hasID
	case "cname":
		return hasCname
	case "seq":
		return hasSeq
	case "token":
		return hasToken
	case "epoch":
		return hasEpoch
	case "lost":
		return hasLost
	case "content":
		return hasContent
	case "key":
		return hasKey
	}
	return 0
}

// member parses a member's value.
func (r *reader) member(o *Op, name *jsontext.Text) error {
	bit := 0
	if inside, ok := r.decoded(name); ok { // a name with half a surrogate pair is unknown
		bit = bitOf(inside)
	}
	at := r.Pos
	if r.Peek() == '"' {
		text, ok := r.ReadString()
		if !ok {
			return nil
		}
		return r.note(o, bit, r.In[at:r.Pos], &text)
	}
	if !r.Skip() {
		return nil
	}
	return r.note(o, bit, r.In[at:r.Pos], nil)
}

// note stores the value of a member, which is valid JSON. text is set if it is a string.
func (r *reader) note(o *Op, bit int, value []byte, text *jsontext.Text) (err error) {
	if bit == 0 {
		return nil
	}
	if r.seen&bit != 0 {
		return errTwice
	}
	r.seen |= bit
	if value[0] == 'n' { // null
		return nil
	}
	switch bit {
	case hasOp:
		return r.kind(o, text)
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
		if o.Content, o.Size = value, len(value); text != nil {
			o.Quoted, o.Content, o.Size, o.Plain = true, text.Raw, text.Size, !text.Separators && !text.Half
		}
	case hasCname:
		o.Cname, err = r.text(text)
	case hasToken:
		o.Token, err = r.text(text)
	case hasEpoch:
		o.Told = true
		o.Epoch, err = r.text(text)
	case hasKey:
		o.Key, err = r.text(text)
	}
	return err
}

func (r *reader) kind(o *Op, text *jsontext.Text) error {
	name, err := r.text(text)
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

// text returns a decoded string.
func (r *reader) text(t *jsontext.Text) ([]byte, error) {
	if t != nil {
		if inside, ok := r.decoded(t); ok {
			return inside, nil
		}
	}
	return nil, errString
}

// decoded returns a decoded string; false: it contains half a surrogate pair.
func (r *reader) decoded(t *jsontext.Text) ([]byte, bool) {
	if !t.Escapes {
		return t.Raw, true
	}
	if t.Half {
		return nil, false
	}
	from := len(r.room)
	r.room = jsontext.AppendDecoded(r.room, t.Raw)
	return r.room[from:len(r.room):len(r.room)], true
}
