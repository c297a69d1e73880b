package pairs

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"ccomet/bench/cc"
)

//go:embed libevent/pairs.c
var source []byte

// ErrNoLibevent is Run's error if the C program cannot be built.
var ErrNoLibevent = errors.New("building libevent's side takes a C compiler and libevent: type `apt-get install gcc libc6-dev libevent-dev` as root")

// libevent returns the side of the C program.
func libevent(program string, level bool) side {
	if level {
		return side{"libevent", 1, []string{program, "level"}}
	}
	return side{"libevent", 1, []string{program, "edge"}}
}

// buildLibevent returns the C program.
func buildLibevent(ctx context.Context) (string, error) {
	program, err := cc.Build(ctx, "libevent-pairs", source, "-levent_core")
	if errors.Is(err, cc.ErrMissing) {
		return "", fmt.Errorf("%w (%w)", ErrNoLibevent, err)
	}
	return program, err
}
