package configfile

import (
	"maps"
	"slices"
	"strings"
	"time"

	"ccomet/cmd/ccomet/internal/settings"
)

// If an icomet.conf has a key or a section several times, iComet uses the last one, except
// for allow and deny, which are lists. It ignores unknown keys. This parser does the same,
// and adds a warning. But an unknown key that resembles an access rule is a mistake.
// Relative paths in the file start at its directory.

// icometKeys maps the file's keys to flags.
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

// icometSections are the keys that contain other keys.
var icometSections = []string{"logger", "logger.rotate", "admin", "front"}

// icometFormer are keys of early versions that later versions ignore.
var icometFormer = []string{"front.stream_header_template", "front.stream_chunk_prefix_template", "front.stream_chunk_suffix_template"}

// icometRotateSize is iComet's smallest size of a log file before rotation, in bytes.
const icometRotateSize = 1 << 20

// icometGuards are the keys that control access. A key that resembles one of them is never
// ignored.
var icometGuards = []string{"auth", "allow", "deny", "listen"}

// readIComet reads an icomet.conf.
func (f *File) readIComet(text []byte) {
	f.icometSection(f.icometTree(text))
	f.icometDefaults()
}

// icometSection reads a section.
func (f *File) icometSection(section *icometNode) {
	last := map[string]*icometNode{}
	for _, n := range section.children {
		last[n.key] = n
	}
	for _, n := range section.children {
		key := n.path()
		isSection := slices.Contains(icometSections, key)
		name := icometKeys[key]
		if strings.ContainsAny(n.key, "./") {
			isSection, name = false, "" // iComet does not find such a key
		}
		list := name == "admin-allow" || name == "admin-deny"
		switch later := last[n.key].line; {
		case !isSection && name == "":
			f.icometUnknown(n)
		case later > n.line && isSection:
			f.warn(n.line, key, "ignored completely, as in iComet: the section on line %d is used", later)
		case later > n.line && !list:
			f.warn(n.line, key, "ignored, as in iComet: line %d is used", later)
		case isSection:
			f.icometHeading(n)
			f.icometSection(n)
		default:
			f.icometSetting(n, name)
			for _, below := range n.children {
				f.icometUnknown(below)
			}
		}
	}
}

// icometHeading checks the line that begins a section.
func (f *File) icometHeading(n *icometNode) {
	switch key := n.path(); {
	case n.value == "":
	case key == "front" || key == "admin": // it may be meant as the address
		f.complain(n.line, key, "is a section: want no value; its keys go on the lines below, indented by one more TAB")
	default:
		f.warn(n.line, key, "is a section: its value is ignored, as in iComet")
	}
}

// icometUnknown warns about an unknown key. About keys below it, it reports only those that
// resemble guards.
func (f *File) icometUnknown(n *icometNode) {
	key := n.path()
	known := slices.Concat(slices.Collect(maps.Keys(icometKeys)), icometSections)
	said := len(f.problems)
	f.icometLikeGuards(n)
	switch {
	case len(f.problems) > said:
	case slices.Contains(icometFormer, key):
		f.warn(n.line, key, "ignored, as in iComet since 0.2")
	default:
		f.warn(n.line, key, "ignored, as in iComet: %s", unknown("key", key, known))
	}
}

// icometLikeGuards adds a mistake for each key in n and below that resembles a guard.
func (f *File) icometLikeGuards(n *icometNode) {
	for _, guard := range icometGuards {
		if editDistance(strings.ToLower(n.key), guard) <= 1 {
			f.complain(n.line, n.path(), "unknown key: iComet ignores it, but it resembles the access rule %s: correct it or remove it", guard)
			break
		}
	}
	for _, below := range n.children {
		f.icometLikeGuards(below)
	}
}

// icometDefaults adds iComet's defaults for keys that are missing or zero, where they
// differ from the defaults of flags.
func (f *File) icometDefaults() {
	f.Entries["compat"] = entry{0, "compat", string(settings.CompatIComet)}
	if _, ok := f.Entries["log-output"]; !ok {
		f.Entries["log-output"] = entry{0, "logger.output", "stdout"}
	}
	size := f.Entries["log-rotate-size"]
	if n, _ := size.Value.(int64); n < icometRotateSize {
		f.Entries["log-rotate-size"] = entry{size.line, "logger.rotate.size", int64(icometRotateSize)}
	}
	timeout := f.Entries["channel-timeout"]
	if n, isNumber := timeout.Value.(int64); timeout.Value == nil || isNumber && n <= 0 {
		polling := settings.Seconds(30 * time.Second)
		if n, ok := f.Entries["polling-timeout"].Value.(int64); ok {
			polling = settings.Seconds(time.Duration(n) * time.Second)
		}
		half := max(int64(time.Duration(polling)/time.Second)/2, 1)
		f.Entries["channel-timeout"] = entry{timeout.line, "front.channel_timeout", half}
	}
}
