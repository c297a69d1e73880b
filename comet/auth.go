package comet

import "fmt"

// Auth is the rule by which clients may subscribe.
type Auth uint8

const (
	// AuthNone: any client may subscribe, and subscribing creates the channel.
	AuthNone Auth = iota
	// AuthToken: a client needs the token that /sign has returned for the channel, as long
	// as the channel lives.
	AuthToken
)

func (a Auth) String() string {
	if a == AuthToken {
		return "token"
	}
	return "none"
}

// ParseAuth parses "none" or "token".
func ParseAuth(s string) (Auth, error) {
	switch s {
	case "none":
		return AuthNone, nil
	case "token":
		return AuthToken, nil
	}
	return 0, fmt.Errorf("auth %q: want none or token", s)
}
