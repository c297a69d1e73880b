package comet

// The sides: a connection's tag, but for the bits that access.go adds.
const (
	sideFront uint8 = iota
	sideAdmin
	sideCComet
	sides
)

// Bits of a connection's tag, beside its side.
const (
	tagSide    uint8 = 0x0F
	tagDenied  uint8 = 0x10 // the peer's own address is denied
	tagTrusted uint8 = 0x20 // X-Forwarded-For is believed
	tagHeader  uint8 = 0x40 // a PROXY protocol header must come first
)
