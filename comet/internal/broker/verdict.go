package broker

import "ccomet/comet/internal/mail"

// Judge decides which clients may subscribe if tokens are not sufficient, for example by asking
// a backend. A request waits for the verdict without blocking the loop or using a buffer of its
// connection.
type Judge interface {
	// Judge decides on a subscription or a request to /history: Cname is the channel's name,
	// Content the client's token or empty. It is called on the loop of the channel's home, and
	// must not block. For each call it must post the same mail to that loop's inbox, from any
	// goroutine, with FlagJudged and a Code: CodeOK or CodeNoToken, even if the client has
	// left.
	Judge(m mail.Mail)
}

// admit returns the channel that a client asks for, or the reason why it is refused. If later
// is true, the request waits for the judge or for the channel's position in the log, and is
// handled again afterwards. The judge decides or, without one, the token, if tokens are
// required. makes permits to create the channel; a token never creates one.
func (b *Broker) admit(m *mail.Mail, makes bool) (i uint32, code mail.Code, later bool) {
	if b.judge != nil && m.Flag&mail.FlagJudged == 0 {
		question := *m
		m.Buf = nil
		b.judge.Judge(question)
		return 0, mail.CodeOK, true
	}
	if m.Code != mail.CodeOK {
		return 0, m.Code, false // the judge's verdict
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
	case byToken && (i == 0 || !b.attachments.lives(i) || !b.tokens.Admits(m.Cname(), b.channels.At(i).Gen, m.Content())):
		code = mail.CodeNoToken
		if i != 0 && !b.attachments.lives(i) && b.channels.At(i).subs == 0 {
			b.freeChannel(i) // it was created only to ask the log, and must not remain
		}
	}
	return i, code, later
}
