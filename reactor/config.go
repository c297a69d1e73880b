package reactor

import "time"

// Config of a Loop. The zero value is fit for use.
type Config struct {
	// MaxConns bounds the connections of the loop; more are refused. 0: only
	// the process's descriptors bound them.
	MaxConns int
	// Admit, when set, is asked before an accepted connection is taken; tag is its
	// listener's. Where it returns an error, the connection is refused for that, and
	// has cost nothing. It may close others.
	Admit func(tag uint8) error
	// MaxInput bounds the bytes that Received leaves unconsumed: the longest piece of
	// input that is of use only as a whole, and 64 KiB more where a handler pauses
	// with input unconsumed. Default 1 MiB.
	MaxInput int
	// MaxHeld bounds the bytes that Write keeps for one connection. Default 4 MiB.
	MaxHeld int
	// MaxHeldAll bounds the bytes that Write and Hold keep for all connections of the
	// loop: the one that would go beyond it is closed. Default 256 MiB.
	MaxHeldAll int
	// WriteTimeout bounds how long Finish waits for the peer to read what is
	// held, beside what WriteTime allows for much of it. Default 30 s.
	WriteTimeout time.Duration
	// Linger bounds how long Finish waits for the peer to close. Default 2 s.
	Linger time.Duration
	// Refusal, when set, says what is written to a connection that is accepted
	// only to be refused: for want of descriptors (EMFILE, ENFILE), of a record
	// (ErrNoRecord), or of what the kernel needs to watch it (ENOSPC, ENOMEM).
	// On the loop's goroutine.
	Refusal func(why error) []byte
	// Warn, when set, hears of trouble that concerns no single connection, once
	// an episode: on the loop's goroutine.
	Warn func(err error)
	// Inheritable has the loop be one that another program can go on with (Loop.State):
	// its records lie in an Arena, and the sockets that it accepts stay open where the
	// process executes a program. It must then execute no other.
	Inheritable bool
	// Clock tells the time, and is read twice a turn. Default time.Now.
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
