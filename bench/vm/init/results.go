package main

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// statusFile is the result that tells how the commands ended, on a line for
// each: the exit status, or "unfinished", and the command.
const statusFile = "exit-status"

// outcome tells how a command ended.
type outcome struct {
	command command
	status  string
}

// results sends the regular files of a directory, and the outcomes of the
// commands, as one tar stream. It sends a changed file again: tar keeps the
// last one when it extracts.
type results struct {
	stream *tar.Writer
	dir    fs.FS
	sent   map[string]time.Time // the time of the file's last change
}

func newResults(port io.Writer, dir string) *results {
	return &results{tar.NewWriter(port), os.DirFS(dir), map[string]time.Time{}}
}

// send sends the files that are new or have changed since the last call, and
// the outcomes.
func (r *results) send(outcomes []outcome) error {
	err := fs.WalkDir(r.dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.ModTime().Equal(r.sent[name]) {
			return err
		}
		data, err := fs.ReadFile(r.dir, name)
		if err != nil {
			return err
		}
		r.sent[name] = info.ModTime()
		return r.sendFile(name, data, info.ModTime())
	})
	if err != nil {
		return fmt.Errorf("sending results: %w", err)
	}
	var list strings.Builder
	for _, o := range outcomes {
		fmt.Fprintln(&list, o.status, o.command)
	}
	return r.sendFile(statusFile, []byte(list.String()), time.Now())
}

func (r *results) sendFile(name string, data []byte, changed time.Time) error {
	header := tar.Header{Name: name, Size: int64(len(data)), Mode: 0o644, ModTime: changed}
	if err := r.stream.WriteHeader(&header); err != nil {
		return fmt.Errorf("sending %s: %w", name, err)
	}
	if _, err := r.stream.Write(data); err != nil {
		return fmt.Errorf("sending %s: %w", name, err)
	}
	// Write the padding now: otherwise it would come with the next file.
	if err := r.stream.Flush(); err != nil {
		return fmt.Errorf("sending %s: %w", name, err)
	}
	return nil
}
