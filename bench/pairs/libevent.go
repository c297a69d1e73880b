package pairs

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed libevent/pairs.c
var source []byte

// ErrNoLibevent is Run's error where the C program cannot be built.
var ErrNoLibevent = errors.New("building libevent's side takes a C compiler and libevent: type `apt-get install gcc libc6-dev libevent-dev` as root")

// libevent is the side of the built program.
func libevent(program string, level bool) side {
	if level {
		return side{"libevent", 1, []string{program, "level"}}
	}
	return side{"libevent", 1, []string{program, "edge"}}
}

// buildLibevent returns the C program, which it builds when the user's cache
// does not have the one of this source.
func buildLibevent(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("where to build libevent's side: %w", err)
	}
	dir := filepath.Join(cache, "ccomet")
	sum := sha256.Sum256(source)
	program := filepath.Join(dir, fmt.Sprintf("libevent-pairs-%x", sum[:8]))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Built beside and renamed, so that what is there is whole.
	beside, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(beside)
	built := filepath.Join(beside, "pairs")
	if err := compile(ctx, built); err != nil {
		return "", err
	}
	return program, os.Rename(built, program)
}

func compile(ctx context.Context, program string) error {
	cmd := exec.CommandContext(ctx, "cc", "-O2", "-x", "c", "-", "-o", program, "-levent_core")
	cmd.Stdin = bytes.NewReader(source)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	said, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound), bytes.Contains(said, []byte(".h: No such file")), bytes.Contains(said, []byte("-levent_core")):
		return fmt.Errorf("%w (%w) %s", ErrNoLibevent, err, bytes.TrimSpace(said))
	}
	return fmt.Errorf("building libevent's side: %w: %s", err, bytes.TrimSpace(said))
}
