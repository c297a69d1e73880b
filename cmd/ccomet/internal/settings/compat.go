package settings

import (
	"fmt"

	"ccomet/comet"
)

// Compat is the server that this one replaces. It selects leniencies and some defaults.
// With iComet's command line or file, the default is iComet.
type Compat string

const (
	CompatByStart Compat = "" // depends on how the server is started
	CompatNone    Compat = "none"
	CompatIComet  Compat = "icomet"
)

// UnmarshalText parses "none", "icomet" or "".
func (c *Compat) UnmarshalText(text []byte) error {
	switch v := Compat(text); v {
	case CompatByStart, CompatNone, CompatIComet:
		*c = v
		return nil
	}
	return fmt.Errorf("%q: want none or icomet", text)
}

// leniencies returns the leniencies of the server.
func (c Compat) leniencies() comet.Compat {
	if c == CompatIComet {
		return comet.CompatIComet()
	}
	return comet.Compat{}
}

// Defaults returns the defaults that differ from those in --help, as a configuration file
// would contain them.
func (c Compat) Defaults() map[string]any {
	if c != CompatIComet {
		return nil
	}
	return map[string]any{
		"max-message":          int64(1 << 20),
		"channel-buffer-bytes": int64(16 << 20), // iComet limits the number of messages, not their bytes
		"drain-time":           "300ms",         // scripts expect the server to stop within half a second
	}
}
