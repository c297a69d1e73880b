package main

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestCompatDefaultsFit: each of a compat's own defaults is one that a file might say.
func TestCompatDefaultsFit(t *testing.T) {
	for _, of := range []compat{compatNone, compatIComet} {
		s, flags, err := newSettings(kong.Resolvers(compatDefaults{of}))
		if err != nil || len(s.check()) > 0 || len(s.unwise()) > 0 {
			t.Errorf("%s: %v, %v, %v", of, err, s.check(), s.unwise())
		}
		f := newConfigFile("", flags)
		for name, value := range of.defaults() {
			if flag := f.flags[name]; flag == nil || fits(flag, value) != nil {
				t.Errorf("%s: %s = %v does not fit", of, name, value)
			}
		}
	}
	if err := new(compat).UnmarshalText([]byte("ccomet")); err == nil || !strings.Contains(err.Error(), "none or icomet") {
		t.Error(err)
	}
}
