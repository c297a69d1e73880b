package settings

import (
	"fmt"

	"ccomet/comet"
)

// Compat is the server whose place this one takes: it decides what is let pass, and some
// defaults. A start by iComet's command line, or with its file, means iComet.
type Compat string

const (
	CompatByStart Compat = "" // by how the server is started
	CompatNone    Compat = "none"
	CompatIComet  Compat = "icomet"
)

// UnmarshalText reads "none", "icomet" or nothing.
func (c *Compat) UnmarshalText(text []byte) error {
	switch v := Compat(text); v {
	case CompatByStart, CompatNone, CompatIComet:
		*c = v
		return nil
	}
	return fmt.Errorf("%q: want none or icomet", text)
}

// leniencies is what the server lets pass.
func (c Compat) leniencies() comet.Compat {
	if c == CompatIComet {
		return comet.CompatIComet()
	}
	return comet.Compat{}
}

// Defaults are the settings whose defaults are other ones than those of --help, as a
// configuration file would have them.
func (c Compat) Defaults() map[string]any {
	if c != CompatIComet {
		return nil
	}
	return map[string]any{
		"max-message":          int64(1 << 20),
		"channel-buffer-bytes": int64(16 << 20), // iComet counts messages, not their bytes
		"drain-time":           "300ms",         // scripts expect it to end within half a second
	}
}
