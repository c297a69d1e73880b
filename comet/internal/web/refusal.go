package web

import (
	"errors"
	"fmt"
	"syscall"

	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/limit"
	"ccomet/httplite"
)

// Refusal returns the response to a connection that cannot be accepted.
func Refusal(why error) []byte {
	reason := "no memory left for another connection"
	full := new(fullError)
	switch {
	case errors.As(why, full):
		reason = full.Error()
	case errors.Is(why, syscall.EMFILE), errors.Is(why, syscall.ENFILE):
		reason = "no descriptors left for another connection"
	case errors.Is(why, syscall.ENOSPC):
		reason = "fs.epoll.max_user_watches allows no other connection"
	}
	reason += "\n"
	dst := httplite.AppendStatus(nil, 503)
	dst = httplite.AppendHeader(dst, "Content-Type", frame.TypeText)
	dst = httplite.AppendHeader(dst, "X-Content-Type-Options", "nosniff")
	dst = limit.RetryAfter(dst, limit.RefusedSeconds)
	dst = httplite.AppendHeaderInt(dst, "Content-Length", int64(len(reason)))
	dst = httplite.AppendHeader(dst, "Connection", "close")
	return append(httplite.EndHeaders(dst), reason...)
}

// fullError is returned when max-connections is reached; its value is that limit.
type fullError int

func (n fullError) Error() string {
	return fmt.Sprintf("too many connections: max-connections is %d", int(n))
}
