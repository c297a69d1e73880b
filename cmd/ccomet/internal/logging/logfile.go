package logging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"
)

// File is a file that lines are added to. When it is larger than its limit
// it is renamed, with the time behind its name as iComet does it, and a new one
// is begun. Any goroutine may write.
type File struct {
	name  string
	limit int64 // bytes; 0 is none

	mu   sync.Mutex
	file *os.File
	size int64 // bytes since it was begun

	rotates bool // it is a file, and neither a device nor a pipe
}

// reopen opens the file of the log's name, or begins it. Any goroutine may call it.
func (l *File) reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open()
}

// OpenFile opens a log file, or begins it.
func OpenFile(name string, limit int64) (*File, error) {
	l := &File{name: name, limit: limit}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("--log-output: %w", err)
	}
	return l, nil
}

// open leaves the log as it was if it fails.
func (l *File) open() error {
	file, err := OpenOutput(l.name)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.size, l.rotates = file, info.Size(), info.Mode().IsRegular()
	// A crash is told there too: standard error may be nowhere.
	return debug.SetCrashOutput(file, debug.CrashOptions{})
}

// OpenOutput opens what has a log's name, or makes a file of it. A pipe is opened for
// reading, too: so it neither waits for a reader, nor breaks when one goes.
func OpenOutput(name string) (*os.File, error) {
	access := os.O_WRONLY
	if info, err := os.Stat(name); err == nil && info.Mode().Type() == fs.ModeNamedPipe {
		access = os.O_RDWR
	}
	return os.OpenFile(name, access|os.O_APPEND|os.O_CREATE, 0o644)
}

// Write adds one line.
func (l *File) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.file.Write(line)
	l.size += int64(n)
	if l.rotates && l.limit > 0 && l.size > l.limit {
		if rotateErr := l.rotate(time.Now()); err == nil {
			err = rotateErr
		}
	}
	return n, err
}

// rotate begins a new file. If that fails the old one goes on, for as long as a
// new one would.
func (l *File) rotate(now time.Time) error {
	l.size = 0
	name, err := filepath.EvalSymlinks(l.name) // a link stays, and tells where
	if err != nil {
		return err
	}
	dated := name + now.Format(".20060102-150405")
	target := dated
	for i := 1; ; i++ {
		if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
		target = fmt.Sprintf("%s.%d", dated, i)
	}
	if err := os.Rename(name, target); err != nil {
		return err
	}
	old, err := l.file.Stat()
	if err == nil {
		err = l.open()
	}
	if err != nil {
		return err
	}
	if now, err := l.file.Stat(); err != nil || os.SameFile(old, now) {
		l.rotates = false // the name leads to what is open already, as /dev/stdout does: no other can be begun
		return errors.Join(err, os.Rename(target, name))
	}
	return nil
}
