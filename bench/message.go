package bench

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A published content is text that needs no escaping anywhere. It shows the receiver
// whether it is the expected message, complete, and how long it took. The numbers are
// hexadecimal:
//
//	Zcb-RRRRRRRR-CCCCCCCC-NNNNNNNN-TTTTTTTTTTTTTTTT-…-SSSSSSSS
//	    run      channel  number   nanoseconds      fill CRC-32C of everything before it
//
// It begins with a letter that is rare in the surrounding text, which makes searching fast.
const (
	marker     = "Zcb-"
	channelAt  = len(marker) + 8 + 1
	numberAt   = channelAt + 8 + 1
	timeAt     = numberAt + 8 + 1
	fillAt     = timeAt + 16 + 1
	sumSize    = 1 + 8
	minContent = fillAt + sumSize
	maxContent = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// message is the information in a content.
type message struct {
	channel, number uint32
	sent            int64
}

// format writes and parses the messages of one run, which have one size.
type format struct {
	head []byte // marker and run, with their dashes
	size int
}

func newFormat(run uint32, size int) format {
	return format{head: fmt.Appendf(nil, "%s%08x-", marker, run), size: size}
}

// append appends a message.
func (f *format) append(dst []byte, m message) []byte {
	at := len(dst)
	dst = append(dst, f.head...)
	dst = append(appendHex(dst, uint64(m.channel), 8), '-')
	dst = append(appendHex(dst, uint64(m.number), 8), '-')
	dst = append(appendHex(dst, uint64(m.sent), 16), '-')
	for i := len(dst) - at; i < f.size-sumSize; i++ {
		dst = append(dst, 'a'+byte(i)%26)
	}
	sum := crc32.Checksum(dst[at:], castagnoli)
	return appendHex(append(dst, '-'), uint64(sum), 8)
}

// next finds the first message in text. used is the length of text up to its end, or 0 if
// there is none. ok is false for a message of this run that is damaged.
func (f *format) next(text []byte) (m message, used int, ok bool) {
	at := bytes.Index(text, f.head)
	if at < 0 {
		return m, 0, true
	}
	if len(text)-at < f.size {
		return m, len(text), false
	}
	p := text[at : at+f.size]
	body, sum := p[:f.size-sumSize], p[f.size-sumSize:]
	m = message{channel: uint32(unhex(p[channelAt:][:8])), number: uint32(unhex(p[numberAt:][:8])), sent: int64(unhex(p[timeAt:][:16]))}
	var spelled [sumSize]byte
	ok = bytes.Equal(sum, appendHex(append(spelled[:0], '-'), uint64(crc32.Checksum(body, castagnoli)), sumSize-1))
	return m, at + f.size, ok
}

func appendHex(dst []byte, n uint64, digits int) []byte {
	for shift := digits*4 - 4; shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[n>>shift&15])
	}
	return dst
}

// unhex parses a hexadecimal number. Invalid digits give a wrong number, which the checksum
// reveals.
func unhex(p []byte) (n uint64) {
	for _, c := range p {
		n = n<<4 | uint64(c&15+c>>6*9)
	}
	return n
}

// clock reads CLOCK_MONOTONIC, which all processes of a machine share, as cheaply as Go's
// own clock.
type clock struct {
	began time.Time
	base  int64
}

// newClock reads both clocks some times: a process that loses its processor between the two
// would have a clock that is behind by as long as that was.
func newClock() clock {
	const readings = 64
	var all [readings]clockReading
	for i := range all {
		r := &all[i]
		var ts unix.Timespec
		r.before = time.Now()
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			panic(err) // cannot fail
		}
		r.after, r.kernel = time.Now(), ts.Nano()
	}
	return closestClock(all[:])
}

// clockReading is what CLOCK_MONOTONIC was at some time from before to after.
type clockReading struct {
	before, after time.Time
	kernel        int64
}

// closestClock is the clock of that reading which took least.
func closestClock(readings []clockReading) clock {
	r := slices.MinFunc(readings, func(a, b clockReading) int { return cmp.Compare(a.after.Sub(a.before), b.after.Sub(b.before)) })
	return clock{began: r.before, base: r.kernel}
}

func (c clock) now() int64 { return c.base + int64(time.Since(c.began)) }
