// Package cc builds C programs that measurements are compared with, when they
// are first needed.
package cc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrMissing means that there is no C compiler, or that a library or header
// that the program needs is missing.
var ErrMissing = errors.New("no C compiler, or not all that the program needs")

// Build returns the path of a program, built from the source with the
// compiler's further flags. It builds only if the user's cache does not have
// the program for this source and these flags. Its file's name there begins
// with name.
func Build(ctx context.Context, name string, source []byte, flags ...string) (program string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("where to build %s: %w", name, err)
	}
	dir := filepath.Join(cache, "ccomet")
	sum := sha256.Sum256(fmt.Appendf(nil, "%s%q", source, flags))
	program = filepath.Join(dir, fmt.Sprintf("%s-%x", name, sum[:8]))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Build elsewhere and rename, so that a program in the cache is never
	// incomplete.
	beside, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(beside)
	built := filepath.Join(beside, "program")
	if err := compile(ctx, name, source, built, flags); err != nil {
		return "", err
	}
	return program, os.Rename(built, program)
}

func compile(ctx context.Context, name string, source []byte, program string, flags []string) error {
	cmd := exec.CommandContext(ctx, "cc", append([]string{"-O2", "-x", "c", "-", "-o", program}, flags...)...)
	cmd.Stdin = bytes.NewReader(source)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	said, err := cmd.CombinedOutput()
	said = bytes.TrimSpace(said)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound), bytes.Contains(said, []byte(".h: No such file")), bytes.Contains(said, []byte("cannot find -l")):
		return fmt.Errorf("%w (%w) %s", ErrMissing, err, said)
	}
	return fmt.Errorf("building %s: %w: %s", name, err, said)
}
