package bench

import (
	_ "embed"
	"errors"
	"os"

	"ccomet/bench/cc"
	"ccomet/bench/target"
)

//go:embed bare/bare.c
var bareSource []byte

// The bare program's transports and publishes are like this server's.
var bareStream = target.Transport{Path: "/stream?cname={channel}&seq={seq}", Cursor: target.ICometCursor}
var barePoll = target.Transport{Path: "/poll?cname={channel}&seq={seq}", Cursor: target.ICometCursor, Once: true}
var barePublish = target.Publish{Method: "GET", Path: "/push?cname={channel}&content={content}", Status: []int{200}, Pipeline: true}

// bareProgram returns the bare program's command line, and its language.
func (r *run) bareProgram() (argv []string, language string, err error) {
	program, err := cc.Build(r.ctx, "bare", bareSource, "-D_GNU_SOURCE")
	if err == nil {
		return []string{program}, "C", nil
	}
	if !errors.Is(err, cc.ErrMissing) {
		return nil, "", err
	}
	r.print("The bare program is the one in Go, which takes some processor time more than the one in C (apt-get install gcc libc6-dev): %v", err)
	self, err := os.Executable()
	return []string{self, "bare"}, "Go", err
}

// bare starts the bare program without subscribers. polls selects the transport of its
// subscribers.
func (r *run) bare(own, polls, coalesce bool, words ...string) (*contestant, error) {
	argv, language, err := r.bareProgram()
	if err != nil {
		return nil, err
	}
	r.bareLanguage = language
	if own {
		argv = append(argv, "own")
	}
	if coalesce {
		argv = append(argv, "coalesce")
	}
	argv = append(argv, words...)
	b, err := startProgram("bare", new(pulse), nil, argv...)
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, b.close)
	c := &contestant{run: r, process: b.Process, transport: bareStream, publish: barePublish, own: own, bare: b}
	if polls {
		c.transport = barePoll
	}
	c.front, err = b.hear(r.ctx, "address")
	c.admin = c.front
	return c, err
}
