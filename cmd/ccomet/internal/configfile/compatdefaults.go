package configfile

import (
	"github.com/alecthomas/kong"

	"ccomet/cmd/ccomet/internal/settings"
)

// CompatDefaults resolves flags to the defaults of a compat value. The resolver of a file
// overrides it if it is added later.
type CompatDefaults struct{ settings.Compat }

func (CompatDefaults) Validate(*kong.Application) error { return nil }

// Resolve returns a flag's default, or nil for the one in --help.
func (d CompatDefaults) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, ok := d.Defaults()[flag.Name]
	if !ok || EnvironmentHas(flag) {
		return nil, nil
	}
	return flagValue(flag, value)
}

// Compat returns the file's setting compat, or "" if it has none.
func (f *File) Compat() settings.Compat {
	text, _ := f.Entries["compat"].Value.(string)
	return settings.Compat(text)
}
