package main

import (
	"os"
	"strings"
	"testing"

	"ccomet/cmd/ccomet/internal/settings"
)

// TestCompatIsMeant: the default of compat depends on how the server is started, and later
// settings override earlier ones.
func TestCompatIsMeant(t *testing.T) {
	toml := file(t, "")
	said := file(t, "compat = \"none\"\nmax-message = 77\n")
	conf := fileNamed(t, "icomet.conf", freeConf)
	for _, c := range []struct {
		implied          settings.Compat
		env, args        string
		want             settings.Compat
		message, history int
	}{
		{"", "", "", settings.CompatNone, 65536, 1 << 20},
		{"", "", "--config " + toml, settings.CompatNone, 65536, 1 << 20},
		{"", "", "--config " + conf, settings.CompatIComet, 1 << 20, 16 << 20},
		{"", "", "--compat icomet", settings.CompatIComet, 1 << 20, 16 << 20},
		{"", "", "--compat icomet --config " + toml, settings.CompatIComet, 1 << 20, 16 << 20},
		{"", "", "--compat icomet --max-message 99", settings.CompatIComet, 99, 16 << 20},
		{"", "", "--compat icomet --config " + said, settings.CompatIComet, 77, 16 << 20},
		{"", "", "--compat none --config " + conf, settings.CompatNone, 65536, 1 << 20},
		{"", "icomet", "", settings.CompatIComet, 1 << 20, 16 << 20},
		{"", "none", "--config " + conf, settings.CompatNone, 65536, 1 << 20},
		{"", "none", "--compat icomet", settings.CompatIComet, 1 << 20, 16 << 20},
		{settings.CompatIComet, "", "--config " + toml, settings.CompatIComet, 1 << 20, 16 << 20},
		{settings.CompatIComet, "", "--config " + file(t, "compat = \"\"\n"), settings.CompatIComet, 1 << 20, 16 << 20},
		{settings.CompatIComet, "", "--config " + said, settings.CompatNone, 77, 1 << 20},
		{settings.CompatIComet, "none", "--config " + toml, settings.CompatNone, 65536, 1 << 20},
	} {
		t.Setenv("CCOMET_COMPAT", c.env)
		if c.env == "" {
			os.Unsetenv("CCOMET_COMPAT")
		}
		cli := commandLine{Serve: serve{implied: c.implied}}
		parser, err := newParser(&cli, nil, nil)
		if err == nil {
			_, err = parser.Parse(append([]string{"serve"}, strings.Fields(c.args)...))
		}
		s := cli.Serve.Settings
		if err != nil || s.Compat != c.want || s.MaxMessage != c.message || s.ChannelBufferBytes != c.history {
			t.Errorf("implied %q, environment %q, %s: %v: %q, max-message %d, channel-buffer-bytes %d",
				c.implied, c.env, c.args, err, s.Compat, s.MaxMessage, s.ChannelBufferBytes)
		}
	}
}
