package configfile

import (
	"maps"
	"slices"
	"strings"
	"time"

	"ccomet/cmd/ccomet/internal/settings"
)

// Of a key or a section that iComet's file has several times, the last counts,
// but for allow and deny, which are lists. What iComet does not know, it ignores;
// so does this, with a warning, unless it seems to be about access. The
// file's relative paths begin at its directory.

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

// icometGuards are the keys of access: what is like one
// of them, but not understood, is never ignored.
var icometGuards = []string{"auth", "allow", "deny", "listen"}

// readIComet reads the settings of iComet's file.
func (f *File) readIComet(text []byte) {
	f.icometSection(f.icometTree(text))
	f.icometDefaults()
}

// icometSection takes what stands in a section that counts.
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
			isSection, name = false, "" // iComet does not find it
		}
		list := name == "admin-allow" || name == "admin-deny"
		switch later := last[n.key].line; {
		case !isSection && name == "":
			f.icometUnknown(n)
		case later > n.line && isSection:
			f.warn(n.line, key, "ignored whole, as iComet does: the section of line %d counts", later)
		case later > n.line && !list:
			f.warn(n.line, key, "ignored, as iComet does: line %d counts", later)
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

// icometHeading looks at the line that begins a section.
func (f *File) icometHeading(n *icometNode) {
	switch key := n.path(); {
	case n.value == "":
	case key == "front" || key == "admin": // it may be meant as the address
		f.complain(n.line, key, "is a section: want nothing behind it, and its keys below, each with one TAB more")
	default:
		f.warn(n.line, key, "is a section: what stands behind it is ignored, as iComet does")
	}
}

// icometUnknown tells of a key that iComet does not know, and of nothing that
// stands below it but what is like a guard.
func (f *File) icometUnknown(n *icometNode) {
	key := n.path()
	known := slices.Concat(slices.Collect(maps.Keys(icometKeys)), icometSections)
	said := len(f.problems)
	f.icometLikeGuards(n)
	switch {
	case len(f.problems) > said:
	case slices.Contains(icometFormer, key):
		f.warn(n.line, key, "ignored, as iComet does since 0.2")
	default:
		f.warn(n.line, key, "ignored, as iComet does: %s", unknown("key", key, known))
	}
}

// icometLikeGuards complains of each key that is like a guard, of n and below.
func (f *File) icometLikeGuards(n *icometNode) {
	for _, guard := range icometGuards {
		if slips(strings.ToLower(n.key), guard) <= 1 {
			f.complain(n.line, n.path(), "unknown key: iComet ignores it, but it seems to be about who may come (%s): put it right, or take it out", guard)
			break
		}
	}
	for _, below := range n.children {
		f.icometLikeGuards(below)
	}
}

// icometDefaults adds what iComet takes for keys that are missing, or zero,
// where that is not our default.
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
