package comet

import "fmt"

// Auth says which clients may subscribe.
type Auth uint8

const (
	// AuthNone: any client; subscribing makes the channel.
	AuthNone Auth = iota
	// AuthToken: a client that brings the token that /sign gave for the channel, while the
	// channel lives.
	AuthToken
)

func (a Auth) String() string {
	if a == AuthToken {
		return "token"
	}
	return "none"
}

// ParseAuth reads "none" or "token".
func ParseAuth(s string) (Auth, error) {
	switch s {
	case "none":
		return AuthNone, nil
	case "token":
		return AuthToken, nil
	}
	return 0, fmt.Errorf("auth %q: want none or token", s)
}
