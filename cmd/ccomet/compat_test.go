package main

import (
	"os"
	"strings"
	"testing"
)

// TestCompatIsMeant: which server's place this one takes follows from how it is started, and
// whoever says it has the last word.
func TestCompatIsMeant(t *testing.T) {
	toml := file(t, "")
	said := file(t, "compat = \"none\"\nmax-message = 77\n")
	conf := fileNamed(t, "icomet.conf", freeConf)
	for _, c := range []struct {
		implied          compat
		env, args        string
		want             compat
		message, history int
	}{
		{"", "", "", compatNone, 65536, 1 << 20},
		{"", "", "--config " + toml, compatNone, 65536, 1 << 20},
		{"", "", "--config " + conf, compatIComet, 1 << 20, 16 << 20},
		{"", "", "--compat icomet", compatIComet, 1 << 20, 16 << 20},
		{"", "", "--compat icomet --config " + toml, compatIComet, 1 << 20, 16 << 20},
		{"", "", "--compat icomet --max-message 99", compatIComet, 99, 16 << 20},
		{"", "", "--compat icomet --config " + said, compatIComet, 77, 16 << 20},
		{"", "", "--compat none --config " + conf, compatNone, 65536, 1 << 20},
		{"", "icomet", "", compatIComet, 1 << 20, 16 << 20},
		{"", "none", "--config " + conf, compatNone, 65536, 1 << 20},
		{"", "none", "--compat icomet", compatIComet, 1 << 20, 16 << 20},
		{compatIComet, "", "--config " + toml, compatIComet, 1 << 20, 16 << 20},
		{compatIComet, "", "--config " + file(t, "compat = \"\"\n"), compatIComet, 1 << 20, 16 << 20},
		{compatIComet, "", "--config " + said, compatNone, 77, 1 << 20},
		{compatIComet, "none", "--config " + toml, compatNone, 65536, 1 << 20},
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
		s := cli.Serve.settings
		if err != nil || s.Compat != c.want || s.MaxMessage != c.message || s.ChannelBufferBytes != c.history {
			t.Errorf("implied %q, environment %q, %s: %v: %q, max-message %d, channel-buffer-bytes %d",
				c.implied, c.env, c.args, err, s.Compat, s.MaxMessage, s.ChannelBufferBytes)
		}
	}
}
