package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// logFile is a file that lines are added to. When it is larger than its limit
// it is renamed, with the time behind its name as iComet does it, and a new one
// is begun. Any goroutine may write.
type logFile struct {
	name  string
	limit int64 // bytes; 0 is none

	mu   sync.Mutex
	file *os.File
	size int64 // bytes since it was begun
}

// reopen opens the file of the log's name, or begins it. Any goroutine may call it.
func (l *logFile) reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open()
}

// openLogFile opens a log file, or begins it.
func openLogFile(name string, limit int64) (*logFile, error) {
	l := &logFile{name: name, limit: limit}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("--log-output: %w", err)
	}
	return l, nil
}

// open leaves the log as it was if it fails.
func (l *logFile) open() error {
	file, err := os.OpenFile(l.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
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
	l.file, l.size = file, info.Size()
	// A crash is told there too: standard error may be nowhere.
	return debug.SetCrashOutput(file, debug.CrashOptions{})
}

// Write adds one line.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.file.Write(line)
	l.size += int64(n)
	if l.limit > 0 && l.size > l.limit {
		if rotateErr := l.rotate(time.Now()); err == nil {
			err = rotateErr
		}
	}
	return n, err
}

// rotate begins a new file. If that fails the old one goes on, for as long as a
// new one would.
func (l *logFile) rotate(now time.Time) error {
	l.size = 0
	dated := l.name + now.Format(".20060102-150405")
	target := dated
	for i := 1; ; i++ {
		if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
		target = fmt.Sprintf("%s.%d", dated, i)
	}
	if err := os.Rename(l.name, target); err != nil {
		return err
	}
	return l.open()
}
