package main

import (
	"fmt"

	"github.com/alecthomas/kong"

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

// compatDefaults resolves flags to the defaults of a compat. What stands in a file wins over it
// when the file's resolver is added behind this one.
type compatDefaults struct{ compat }

func (compatDefaults) Validate(*kong.Application) error { return nil }

// Resolve gives a flag its default, nil for the one that --help tells.
func (d compatDefaults) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, ok := d.defaults()[flag.Name]
	if !ok || environmentHas(flag) {
		return nil, nil
	}
	return flagValue(flag, value)
}

// compat is what a file says of it, "" for nothing.
func (f *configFile) compat() compat {
	text, _ := f.entries["compat"].value.(string)
	return compat(text)
}
