package main

import "github.com/alecthomas/kong"

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
