package batch

import "ccomet/comet/internal/jsontext"

// member is a member of an element's object.
type member uint8

const (
	memberCname member = 1 << iota
	memberCnames
	memberContent
	memberKey
	memberOther member = 0
)

// twice has the error for each member that appears twice.
var twice = map[member]string{
	memberCname: "cname appears twice", memberCnames: "cnames appears twice",
	memberContent: "content appears twice", memberKey: "key appears twice",
}

// usual reads an element in the form in which most are written, which takes a third of the
// time: with its members in this order, no spaces between them, and strings without escapes.
// After the element the input must end, or continue with the byte behind; if behind is 0,
// anything may follow. usual returns false and reads nothing if the element has another form,
// which need not be an error.
func (r *Reader) usual(behind byte) bool {
	const name, text, key, end = `{"cname":"`, `","content":"`, `","key":"`, `"}`
	in := r.In[r.Pos:]
	if len(in) < len(name) || string(in[:len(name)]) != name {
		return false
	}
	cname, in := plain(in[len(name):])
	if len(in) < len(text) || string(in[:len(text)]) != text {
		return false
	}
	said, in := plain(in[len(text):])
	var known []byte
	if len(in) > len(key) && string(in[:len(key)]) == key {
		known, in = plain(in[len(key):])
	}
	if len(in) < len(end) || string(in[:len(end)]) != end || behind != 0 && len(in) > len(end) && in[len(end)] != behind {
		return false
	}
	r.Names, r.Key = append(r.Names, cname), known
	r.content.Raw, r.content.Size, r.content.str = said, len(said), true
	r.Pos = len(r.In) - len(in) + len(end)
	return true
}

// plain splits in after the bytes that need no decoding in a JSON string.
func plain(in []byte) (value, rest []byte) {
	n := jsontext.Plain(in)
	return in[:n:n], in[n:]
}

// object reads an element: {"cname": …, "content": …}. It returns false if the element has an
// error. The rest of the element may then be unread.
func (r *Reader) object() bool {
	if !r.Take('{') {
		if r.Peek() == '[' && !r.array {
			return r.Fail("want {, the beginning of an object: an array is application/json")
		}
		return r.Fail("want {, the beginning of an object")
	}
	var seen member
	if r.Space(); !r.Take('}') {
		for {
			m, ok := r.memberName()
			if !ok {
				return false
			}
			if m&seen != 0 {
				return r.refuse(twice[m])
			}
			seen |= m
			if r.Space(); !r.Take(':') {
				return r.Fail("want a colon behind a member's name")
			}
			if r.Space(); !r.member(m) {
				return false
			}
			if r.Space(); r.Take('}') {
				break
			}
			if !r.Take(',') {
				return r.Fail("want , or } behind a member")
			}
			r.Space()
		}
	}
	return r.complete(seen)
}

// complete reports whether the members in seen make a message.
func (r *Reader) complete(seen member) bool {
	switch {
	case seen&(memberCname|memberCnames) == memberCname|memberCnames:
		return r.refuse("cname and cnames are both there")
	case seen&(memberCname|memberCnames) == 0:
		return r.refuse("cname is missing, or cnames")
	case seen&memberContent == 0:
		return r.refuse("content is missing")
	}
	return true
}

// memberName reads a member's name. The most frequent names have a fast path.
func (r *Reader) memberName() (member, bool) {
	switch rest := r.In[r.Pos:]; {
	case len(rest) > 9 && string(rest[:9]) == `"content"`:
		r.Pos += 9
		return memberContent, true
	case len(rest) > 7 && string(rest[:7]) == `"cname"`:
		r.Pos += 7
		return memberCname, true
	}
	t, ok := r.ReadString()
	if !ok {
		return 0, false
	}
	name := r.decode(&t)
	switch string(name) {
	case "cname":
		return memberCname, true
	case "cnames":
		return memberCnames, true
	case "content":
		return memberContent, true
	case "key":
		return memberKey, true
	}
	return memberOther, true
}

// member reads the value of a member.
func (r *Reader) member(m member) (ok bool) {
	switch m {
	case memberCname:
		return r.channel("cname: want a string")
	case memberCnames:
		return r.channels()
	case memberKey:
		if r.Key, ok = r.word("key: want a string"); ok && r.Key == nil {
			r.Key = []byte{}
		}
		return ok
	case memberContent:
		if r.Peek() == '"' {
			r.content.str = true
			r.content.Text, ok = r.ReadString()
			return ok
		}
		at := r.Pos
		if ok = r.Skip(); ok {
			r.content.Text = jsontext.Text{Raw: r.In[at:r.Pos], Size: r.Pos - at}
		}
		return ok
	}
	return r.Skip()
}

// word reads and decodes a short string. otherwise is the error for a value of another type.
func (r *Reader) word(otherwise string) ([]byte, bool) {
	if r.Peek() != '"' {
		if !r.Skip() {
			return nil, false
		}
		return nil, r.refuse(otherwise)
	}
	t, ok := r.ReadString()
	if !ok {
		return nil, false
	}
	return r.decode(&t), true
}

func (r *Reader) channel(otherwise string) bool {
	name, ok := r.word(otherwise)
	if ok {
		r.Names = append(r.Names, name)
	}
	return ok
}

// channels reads a list of names.
func (r *Reader) channels() bool {
	const otherwise = "cnames: want an array of strings, one at the least"
	r.Many = true
	if r.Peek() != '[' {
		if !r.Skip() {
			return false
		}
		return r.refuse(otherwise)
	}
	r.Pos++
	if r.Space(); r.Take(']') {
		return r.refuse(otherwise)
	}
	for {
		if r.Space(); !r.channel(otherwise) {
			return false
		}
		if r.Space(); r.Take(']') {
			return true
		}
		if !r.Take(',') {
			return r.Fail("want , or ] behind a name")
		}
	}
}
