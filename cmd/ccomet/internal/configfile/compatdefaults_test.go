package configfile

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"ccomet/cmd/ccomet/internal/settings"
)

// TestCompatDefaultsFit: each default of a compat is a valid value in a file.
func TestCompatDefaultsFit(t *testing.T) {
	for _, of := range []settings.Compat{settings.CompatNone, settings.CompatIComet} {
		s, flags, err := settings.New(kong.Resolvers(CompatDefaults{of}))
		if err != nil || len(s.Check()) > 0 || len(s.Unwise()) > 0 {
			t.Errorf("%s: %v, %v, %v", of, err, s.Check(), s.Unwise())
		}
		f := newFile("", flags)
		for name, value := range of.Defaults() {
			if flag := f.flags[name]; flag == nil || fits(flag, value) != nil {
				t.Errorf("%s: %s = %v does not fit", of, name, value)
			}
		}
	}
	if err := new(settings.Compat).UnmarshalText([]byte("ccomet")); err == nil || !strings.Contains(err.Error(), "none or icomet") {
		t.Error(err)
	}
}
