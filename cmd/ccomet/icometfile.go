package main

import (
	"bytes"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"ccomet/comet"
)

// iComet's configuration file is a tree. A line is "key: value" or "key = value"
// and stands in the section above it that has one TAB less; a line that begins
// with # is a comment. Of a key that is repeated the first counts, but for allow
// and deny, which are lists. Its relative paths begin at the file's directory.

// icometKeys are the flags that the keys stand for.
var icometKeys = map[string]string{
	"pidfile":                           "pidfile",
	"logger.level":                      "log-level",
	"logger.output":                     "log-output",
	"logger.rotate.size":                "log-rotate-size",
	"admin.listen":                      "admin",
	"admin.allow":                       "admin-allow",
	"admin.deny":                        "admin-deny",
	"front.listen":                      "front",
	"front.auth":                        "auth",
	"front.max_channels":                "max-channels",
	"front.max_subscribers_per_channel": "max-subscribers-per-channel",
	"front.channel_buffer_size":         "channel-buffer-size",
	"front.channel_timeout":             "channel-timeout",
	"front.polling_timeout":             "polling-timeout",
}

// icometSections are the keys that have others below them.
var icometSections = []string{"logger", "logger.rotate", "admin", "front"}

// icometFormer are keys of early versions, which later ones ignore.
var icometFormer = []string{"front.stream_header_template", "front.stream_chunk_prefix_template", "front.stream_chunk_suffix_template"}

// icometRotateSize is the least size, in bytes, at which iComet begins a new
// log file.
const icometRotateSize = 1 << 20

// isIComet says whether a file is iComet's, by its name.
func isIComet(name string) bool { return strings.HasSuffix(name, ".conf") }

// icometLine is a line that says something.
type icometLine struct {
	number     int
	path       []string // its sections, and its key
	key, value string   // key is the path with dots
}

// readIComet reads the settings of iComet's file.
func (f *configFile) readIComet(text []byte) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	lines := map[string]int{} // where each key stands first
	var path []string
	for i, raw := range strings.Split(string(text), "\n") {
		l, ok := f.icometLine(i+1, strings.TrimRight(raw, " \t\r"), path)
		if !ok {
			continue
		}
		path = l.path
		list := l.key == "admin.allow" || l.key == "admin.deny"
		switch first := lines[l.key]; {
		case first == 0 || list:
			lines[l.key] = max(first, l.number)
			f.icometSetting(l)
		case slices.Contains(icometSections, l.key):
			f.complain(l.number, l.key, "the section stands on line %d already: join the two", first)
		default:
			f.warn(l.number, l.key, "ignored, as iComet does: it stands on line %d already", first)
		}
	}
	f.icometDefaults()
}

// icometLine takes a line apart, that follows one with this path. It is not ok
// if it says nothing, or nothing that can be understood.
func (f *configFile) icometLine(number int, text string, path []string) (l icometLine, ok bool) {
	rest := strings.TrimLeft(text, "\t")
	indent := len(text) - len(rest)
	bare := strings.TrimLeft(rest, " \t")
	switch {
	case bare == "" || bare[0] == '#':
		return l, false
	case len(bare) < len(rest):
		f.complain(number, "", "indented by spaces: want TABs only")
		return l, false
	case indent > len(path):
		f.complain(number, "", "indented by %d TABs: want %d at most, one more than the section that it stands in", indent, len(path))
		return l, false
	}
	key, value, ok := cutAny(bare, ":=")
	key = strings.TrimSpace(key)
	if !ok || key == "" {
		f.complain(number, "", "want KEY: VALUE, not %q", bare)
		if key == "" {
			return l, false
		}
	}
	path = append(slices.Clip(path[:indent]), key)
	return icometLine{number, path, strings.Join(path, "."), withoutComment(value)}, true
}

// cutAny cuts round the first of some characters.
func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// withoutComment drops the blanks round a value, and a comment behind it: iComet
// reads a number up to there.
func withoutComment(value string) string {
	for i := range len(value) {
		if value[i] == '#' && (i == 0 || value[i-1] == ' ' || value[i-1] == '\t') {
			value = value[:i]
			break
		}
	}
	return strings.TrimSpace(value)
}

// icometSetting takes one line's setting.
func (f *configFile) icometSetting(l icometLine) {
	name := icometKeys[l.key]
	parent := strings.Join(l.path[:len(l.path)-1], ".")
	switch {
	case slices.Contains(icometSections, l.key):
		if l.value != "" {
			f.complain(l.number, l.key, "is a section: want nothing behind it, and its keys below, each with one TAB more")
		}
	case slices.Contains(icometFormer, l.key):
		f.warn(l.number, l.key, "ignored, as iComet does since 0.2")
	case name == "" && (parent == "" || slices.Contains(icometSections, parent) || icometKeys[parent] != ""):
		known := slices.Concat(slices.Collect(maps.Keys(icometKeys)), icometSections)
		f.complain(l.number, l.key, "%s", unknown("key", l.key, known))
	case name == "":
		// Below a key that is unknown itself, which was said.
	case name == "admin-allow" || name == "admin-deny":
		if _, err := comet.ParseAddresses([]string{l.value}); err != nil {
			f.complain(l.number, l.key, "%v", err)
			return
		}
		f.set(name, entry{l.number, l.key, f.icometValue(name, l.value)})
	case l.value != "":
		f.set(name, entry{l.number, l.key, f.icometValue(name, l.value)})
	}
}

// icometValue is a value as our flag means it.
func (f *configFile) icometValue(name, value string) any {
	switch name {
	case "admin-allow", "admin-deny":
		list, _ := f.entries[name].value.([]any)
		return append(list, value)
	case "pidfile":
		return f.beside(value)
	case "log-output":
		if value != "stdout" && value != "stderr" {
			return f.beside(value)
		}
	default:
		flag := f.flags[name]
		number := flag.Target.Kind() == reflect.Int || flag.Target.Type() == reflect.TypeFor[seconds]()
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && number {
			return n
		}
	}
	return value
}

// beside is a path that the file tells, relative to its directory.
func (f *configFile) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	whole, err := filepath.Abs(filepath.Join(filepath.Dir(f.name), path))
	if err != nil {
		return path // no working directory: opening it will tell
	}
	return whole
}

// icometDefaults adds what iComet takes for keys that are missing, or zero,
// where that is not our default.
func (f *configFile) icometDefaults() {
	f.entries["compat"] = entry{0, "compat", string(compatIComet)}
	if _, ok := f.entries["log-output"]; !ok {
		f.entries["log-output"] = entry{0, "logger.output", "stdout"}
	}
	size := f.entries["log-rotate-size"]
	if n, _ := size.value.(int64); n < icometRotateSize {
		f.entries["log-rotate-size"] = entry{size.line, "logger.rotate.size", int64(icometRotateSize)}
	}
	timeout := f.entries["channel-timeout"]
	if n, isNumber := timeout.value.(int64); timeout.value == nil || isNumber && n <= 0 {
		polling := seconds(30 * time.Second)
		switch v := f.entries["polling-timeout"].value.(type) {
		case int64:
			polling = seconds(time.Duration(v) * time.Second)
		case string:
			_ = polling.UnmarshalText([]byte(v)) // it fits
		}
		half := max(int64(time.Duration(polling)/time.Second)/2, 1)
		f.entries["channel-timeout"] = entry{timeout.line, "front.channel_timeout", half}
	}
}
