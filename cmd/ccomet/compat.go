package main

import (
	"fmt"

	"ccomet/comet"
)

// compat is the server whose place this one takes: it decides what is let pass, and some
// defaults. Whoever starts the server by iComet's command line, or with its file, means iComet.
type compat string

const (
	compatByStart compat = "" // by how the server is started
	compatNone    compat = "none"
	compatIComet  compat = "icomet"
)

// UnmarshalText reads "none", "icomet" or nothing.
func (c *compat) UnmarshalText(text []byte) error {
	switch v := compat(text); v {
	case compatByStart, compatNone, compatIComet:
		*c = v
		return nil
	}
	return fmt.Errorf("%q: want none or icomet", text)
}

// leniencies is what the server lets pass.
func (c compat) leniencies() comet.Compat {
	if c == compatIComet {
		return comet.CompatIComet()
	}
	return comet.Compat{}
}

// defaults are the settings whose defaults are other ones than those of --help, as a
// configuration file would have them.
func (c compat) defaults() map[string]any {
	if c != compatIComet {
		return nil
	}
	return map[string]any{
		"max-message":          int64(1 << 20),
		"channel-buffer-bytes": int64(16 << 20), // iComet counts messages, not their bytes
		"drain-time":           "300ms",         // scripts expect it to end within half a second
	}
}
