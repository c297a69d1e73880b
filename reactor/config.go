package reactor

import "time"

// Config configures a Loop. The zero value is ready to use.
type Config struct {
	// MaxConns bounds the open connections of the loop; further ones are refused. 0:
	// only the process's limit of descriptors bounds them.
	MaxConns int
	// Admit, if set, is called before an accepted connection gets a record; tag is that
	// of its listener. If it returns an error, the connection is refused and costs
	// nothing more. Admit may close other connections. It is called on the loop's
	// goroutine.
	Admit func(tag uint8) error
	// MaxInput bounds the bytes of input that Received leaves unconsumed; a connection
	// that exceeds it is closed with ErrInputFull. It should be the longest input that
	// the handler needs as a whole, plus 64 KiB if the handler pauses with input
	// unconsumed. Default 1 MiB.
	MaxInput int
	// MaxHeld bounds the bytes that Write keeps for one connection. Default 4 MiB.
	MaxHeld int
	// MaxHeldAll bounds the bytes that Write and Hold keep for all connections of the
	// loop. The connection that would exceed it is closed with ErrHeldAll. Default 256
	// MiB.
	MaxHeldAll int
	// WriteTimeout bounds how long Finish waits for the peer to read held output.
	// WriteTime allows more for much output. Default 30 s.
	WriteTimeout time.Duration
	// Linger bounds how long Finish waits for the peer to close. Default 2 s.
	Linger time.Duration
	// Refusal, if set, returns what to write to a connection that is accepted only to
	// be refused. why is the error of Admit, or what is lacking: descriptors (EMFILE,
	// ENFILE), a record (ErrNoRecord), or kernel memory to watch it (ENOSPC, ENOMEM).
	// It is called on the loop's goroutine.
	Refusal func(why error) []byte
	// Warn, if set, is called with failures that concern no single connection, once for
	// a series of failures. It is called on the loop's goroutine.
	Warn func(err error)
	// Inheritable lets another program take over the loop (Loop.State): the records lie
	// in an Arena, and accepted sockets stay open when the process executes a program.
	// The process must then execute no other program.
	Inheritable bool
	// Clock returns the time. It is called twice a turn. Default time.Now.
	Clock func() time.Time
}

func (c *Config) fill() {
	setDefault(&c.MaxInput, 1<<20)
	setDefault(&c.MaxHeld, 4<<20)
	setDefault(&c.MaxHeldAll, 256<<20)
	setDefault(&c.WriteTimeout, 30*time.Second)
	setDefault(&c.Linger, 2*time.Second)
	if c.MaxConns <= 0 || c.MaxConns > MaxRecords {
		c.MaxConns = MaxRecords
	}
	if c.Warn == nil {
		c.Warn = func(error) {}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
}

func setDefault[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}
