package conn

// The sides. A connection's tag is its side and the bits below.
const (
	Front uint8 = iota
	Admin
	CComet
	NumSides
)

// SideNames are the names of sides in figures.
var SideNames = [NumSides]string{Front: "front", Admin: "admin", CComet: "ccomet"}

// Bits of a connection's tag, beside its side.
const (
	TagSide    uint8 = 0x0F
	TagDenied  uint8 = 0x10 // the peer's own address is denied
	TagTrusted uint8 = 0x20 // X-Forwarded-For is believed
	TagHeader  uint8 = 0x40 // a PROXY protocol header must come first
)
