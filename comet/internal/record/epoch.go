package record

// A channel's epoch tells one life of it from the next: it is another whenever the
// numbers begin again. A client that comes back with a place (a number and its
// epoch) is told apart from one that comes from an earlier life of that name, to
// which all that the channel keeps is new.
//
// It is the generation of the channel's record, which messages between loops carry
// and rosters have as it is, so it takes no memory of its own. Within a loop, which
// is every channel's of a name, no two lives have the same before 2^32 of them; a
// life of this process and one of another have the same once in 2^32. The state file
// keeps it.
const (
	EpochNone   uint32 = iota // none was told
	EpochFirst                // of a channel out of a file that knew no epochs: see package token
	EpochOther                // one that no channel here has
	EpochClosed               // of a place: the channel was closed
	EpochDenied               // of a place: the token was refused
	EpochLeast                // the smallest that is given
)

// On the wire an epoch is seven digits of this base 32, the highest first. Clients
// are to take it as it is, and may be given four to eight by another server.
const (
	epochDigits    = "0123456789abcdefghjkmnpqrstvwxyz"
	epochLen       = 7
	longestEpoch   = 8
	WordClosed     = "closed"
	WordDenied     = "denied"
	EpochMalformed = "parameter epoch: want what the server has told, up to 8 letters and digits"
)

// AppendEpoch appends an epoch as clients are told it.
func AppendEpoch(dst []byte, e uint32) []byte {
	for shift := 5 * (epochLen - 1); shift >= 0; shift -= 5 {
		dst = append(dst, epochDigits[e>>shift&31])
	}
	return dst
}

// ParseEpoch reads an epoch; false: it is not one of any server's. Without a digit it is
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

// TellLast gives the object that text ends with the epoch as its last member, if
// there is one to be told.
func TellLast(text []byte, e uint32) []byte {
	if e == EpochNone {
		return text
	}
	text = append(text[:len(text)-1], `,"epoch":"`...)
	return append(AppendEpoch(text, e), `"}`...)
}

// StateGap is how many numbers each channel leaves out when the file it comes from
// is older than the end of the server that wrote it: numbers that were given in
// between are not given again, unless there were more of them. Each server that
// loads the same file leaves a gap more.
const StateGap = 1 << 22

// LogGap is how many numbers a log beyond the loops leaves out, at the least, where it cannot
// tell which of the last messages it has lost.
const LogGap = 1 << 16
