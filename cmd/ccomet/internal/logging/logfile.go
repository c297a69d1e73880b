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

// File is a log file. When it exceeds its limit it is renamed, with the time appended to
// the name as in iComet, and a new file is created. It is safe for concurrent use.
type File struct {
	name  string
	limit int64 // bytes; 0: no limit

	mu   sync.Mutex
	file *os.File
	size int64 // bytes of the current file

	rotates bool // it is a regular file
}

// reopen opens the file by its name again, or creates it. It is safe for concurrent use.
func (l *File) reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open()
}

// openFile opens or creates a log file.
func openFile(name string, limit int64) (*File, error) {
	l := &File{name: name, limit: limit}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("--log-output: %w", err)
	}
	return l, nil
}

// open opens or creates the file. If it fails, the old one remains in use.
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
	// A crash is reported there too, because standard error may be lost.
	return debug.SetCrashOutput(file, debug.CrashOptions{})
}

// OpenOutput opens or creates the file of a name. A pipe is opened for reading too, so that
// opening does not wait for a reader, and writing does not fail when one leaves.
func OpenOutput(name string) (*os.File, error) {
	access := os.O_WRONLY
	if info, err := os.Stat(name); err == nil && info.Mode().Type() == fs.ModeNamedPipe {
		access = os.O_RDWR
	}
	return os.OpenFile(name, access|os.O_APPEND|os.O_CREATE, 0o644)
}

// Write appends one line.
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

// rotate renames the file and creates a new one. If that fails, the old file remains in
// use, and the next attempt is made when it has grown by the limit.
func (l *File) rotate(now time.Time) error {
	l.size = 0
	name, err := filepath.EvalSymlinks(l.name) // a symbolic link is followed and remains
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
		l.rotates = false // the name leads to a file that is already open, such as /dev/stdout, so rotation is impossible
		return errors.Join(err, os.Rename(target, name))
	}
	return nil
}
