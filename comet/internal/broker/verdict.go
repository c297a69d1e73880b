package broker

import "ccomet/comet/internal/mail"

// Judge decides which clients may subscribe where tokens alone do not: by what a backend
// says, for example. A request waits for its verdict, and holds neither the loop nor a buffer of
// its connection meanwhile.
type Judge interface {
	// Judge takes a subscription, or a question for a history: the channel's name (Cname),
	// and the token that the client sent, or nothing (Content). It is called on the loop of
	// the channel's home, and does not wait. It posts the same mail to that loop's inbox, from
	// any goroutine, with FlagJudged and a Code: CodeOK, or CodeNoToken. It does so for each,
	// also when the client has left meanwhile.
	Judge(m mail.Mail)
}

// admit returns the channel that a client asks for, or why it may not have it. later: the
// request waits for the judge, or for the channel's place in its log, and is served again
// then. The judge decides or, without one, the token, where tokens are asked for.
// makes: a channel that is not there is made; but asking with a token makes none.
func (b *Broker) admit(m *mail.Mail, makes bool) (i uint32, code mail.Code, later bool) {
	if b.judge != nil && m.Flag&mail.FlagJudged == 0 {
		question := *m
		m.Buf = nil
		b.judge.Judge(question)
		return 0, mail.CodeOK, true
	}
	if m.Code != mail.CodeOK {
		return 0, m.Code, false // the judge's
	}
	byToken := b.judge == nil && m.Flag&mail.FlagExist != 0
	i = b.channels.find(m.Cname())
	if i == 0 && (b.remote != nil || makes && !byToken) {
		i, code = b.newChannel(m.Cname())
	}
	switch {
	case code != mail.CodeOK:
	case i != 0 && b.parks(i, m):
		later = true
	case byToken && (i == 0 || !b.remote.lives(i) || !b.tokens.Admits(m.Cname(), b.channels.At(i).Gen, m.Content())):
		code = mail.CodeNoToken
		if i != 0 && !b.remote.lives(i) && b.channels.At(i).subs == 0 {
			b.freeChannel(i) // it was made to ask, and must not live by that
		}
	}
	return i, code, later
}
