package record

// A channel's epoch distinguishes one life of it from the next: it changes whenever the
// numbers start again. So a client that comes back with a place (a number and its epoch) is
// told apart from one that comes from an earlier life of the name, for which everything that
// the channel keeps is new.
//
// It is the generation of the channel's record, which mail between loops and rosters contain
// anyway, so it takes no memory of its own. All channels of a name are on one loop, and there
// no two lives have the same epoch before 2^32 of them. A life in another process has the
// same one with a chance of 1 in 2^32. The state file contains it.
const (
	EpochNone   uint32 = iota // none is known
	EpochFirst                // of a channel from a file without epochs: see package token
	EpochOther                // one that no channel here has
	EpochClosed               // in a place: the channel was closed
	EpochDenied               // in a place: the token was refused
	EpochLeast                // the smallest that a channel gets
)

// On the wire an epoch is seven digits in base 32, most significant first. Clients must not
// interpret it: another server may send four to eight.
const (
	epochDigits    = "0123456789abcdefghjkmnpqrstvwxyz"
	epochLen       = 7
	longestEpoch   = 8
	WordClosed     = "closed"
	WordDenied     = "denied"
	EpochMalformed = "parameter epoch: want what the server has told, up to 8 letters and digits"
)

// AppendEpoch appends an epoch in its wire form.
func AppendEpoch(dst []byte, e uint32) []byte {
	for shift := 5 * (epochLen - 1); shift >= 0; shift -= 5 {
		dst = append(dst, epochDigits[e>>shift&31])
	}
	return dst
}

// ParseEpoch parses an epoch; false: it cannot be from any server. An empty text is
// EpochNone.
func ParseEpoch(text []byte) (uint32, bool) {
	if len(text) > longestEpoch {
		return 0, false
	}
	var e uint64
	ours := len(text) == epochLen
	for _, b := range text {
		digit := -1
		for i := range len(epochDigits) {
			if epochDigits[i] == b {
				digit = i
			}
		}
		if digit < 0 && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') {
			return 0, false
		}
		ours = ours && digit >= 0
		e = e<<5 | uint64(max(digit, 0))
	}
	switch {
	case len(text) == 0:
		return EpochNone, true
	case ours && e < 1<<32 && (e >= uint64(EpochLeast) || e == uint64(EpochFirst)):
		return uint32(e), true
	}
	return EpochOther, true
}

// TellLast adds the epoch as the last member of the JSON object that ends text, unless it is
// EpochNone.
func TellLast(text []byte, e uint32) []byte {
	if e == EpochNone {
		return text
	}
	text = append(text[:len(text)-1], `,"epoch":"`...)
	return append(AppendEpoch(text, e), `"}`...)
}

// StateGap is how many message numbers each channel skips if the state file is older than the
// end of the server that wrote it. So the numbers that were given after the last write are
// not given again, unless there were more of them. Each further server that loads the same
// file skips as many again.
const StateGap = 1 << 22

// LogGap is the least number of message numbers that a shared log skips, if it
// cannot tell which of the last messages it has lost.
const LogGap = 1 << 16
