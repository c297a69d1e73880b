package web

import (
	"strings"

	"github.com/valyala/bytebufferpool"

	"ccomet/comet/internal/conn"
)

// dialect is one protocol that clients and backends speak with the server. The functions of its
// paths turn a request into a subscription or a publish, and name the function that writes the
// answer (pendingReply.write). Internally sequence numbers start at 1. A dialect that counts
// differently converts them in both directions.
type dialect struct {
	name string // the name in /explain's parameter dialect; "": the default
	// addPaths adds the dialect's paths to the sides that serve them.
	addPaths func(t *endpoints, cfg *Config)
	// nameBuffer borrows a buffer that contains the channel's internal name, and returns the
	// length of that name. Each dialect has a name space of its own.
	nameBuffer func(cname []byte) (*bytebufferpool.ByteBuffer, uint8)
	maxName    int // maximum length of a channel's name, in bytes
}

// dialects are all dialects that the server speaks.
var dialects []dialect

// A new dialect is a file, or a folder, and a line here. The list is filled by init to avoid an
// initialization cycle: the functions of its paths use the list.
func init() {
	dialects = []dialect{
		icometDialect,
		ccometDialect,
	}
}

// endpoints maps the paths of each side to endpoints.
type endpoints [conn.NumSides]map[string]endpoint

// add adds a path to a side.
func (t *endpoints) add(side uint8, path string, e endpoint) {
	if t[side] == nil {
		t[side] = map[string]endpoint{}
	}
	t[side][path] = e
}

// addAll adds paths to a side.
func (t *endpoints) addAll(side uint8, paths map[string]endpoint) {
	for path, e := range paths {
		t.add(side, path, e)
	}
}

// table returns the endpoints of each side: those of the dialects, and those that the
// configuration adds.
func table(cfg *Config) (t endpoints) {
	for i := range dialects {
		dialects[i].addPaths(&t, cfg)
	}
	for path, handler := range cfg.Handlers {
		t.add(conn.Admin, path, endpoint{methods: getHead, serve: handledBy(handler)})
	}
	for _, page := range cfg.Pages {
		t.add(conn.Front, page.Path, endpoint{methods: getHead, serve: func(w *Web, x *exchange) {
			w.reply(x, 200, page.ContentType, page.Body)
		}})
	}
	for path, of := range cfg.Public {
		e := t[conn.Admin][of]
		if e.changes {
			e.methods = post // so that following a link cannot change anything
		}
		t.add(conn.Front, path, e)
	}
	return t
}

// dialectNamed returns the dialect with a name from a request, or nil.
func dialectNamed(name []byte) *dialect {
	for i := range dialects {
		if dialects[i].name == string(name) {
			return &dialects[i]
		}
	}
	return nil
}

// dialectNames lists the names that a request may use.
func dialectNames() string {
	var names []string
	for i := range dialects {
		if dialects[i].name != "" {
			names = append(names, dialects[i].name)
		}
	}
	return strings.Join(names, ", ")
}
