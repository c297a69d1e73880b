package configfile

import (
	"github.com/alecthomas/kong"

	"ccomet/cmd/ccomet/internal/settings"
)

// CompatDefaults resolves flags to the defaults of a compat. What stands in a file wins over it
// when the file's resolver is added behind this one.
type CompatDefaults struct{ settings.Compat }

func (CompatDefaults) Validate(*kong.Application) error { return nil }

// Resolve gives a flag its default, nil for the one that --help tells.
func (d CompatDefaults) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, ok := d.Defaults()[flag.Name]
	if !ok || EnvironmentHas(flag) {
		return nil, nil
	}
	return flagValue(flag, value)
}

// Compat is what a file says of it, "" for nothing.
func (f *File) Compat() settings.Compat {
	text, _ := f.Entries["compat"].Value.(string)
	return settings.Compat(text)
}
