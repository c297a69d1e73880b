package web

import (
	"strings"

	"github.com/valyala/bytebufferpool"

	"ccomet/comet/internal/conn"
)

// dialect is one protocol that clients and backends speak with the server. A request of it
// becomes a subscription or a publish in the functions of its paths, and each of these says
// which function writes the answer (pendingReply.write). Numbers of messages count from 1
// everywhere else: a dialect that counts otherwise converts them at both ends.
type dialect struct {
	name string // as /explain is told it; "" where it is not named
	// addPaths adds the dialect's paths to those of the sides that it is spoken on.
	addPaths func(t *endpoints, cfg *Config)
	// nameBuffer borrows a buffer with a channel's name as the channel's home knows it,
	// and returns the length of that: each dialect has a name space of its own.
	nameBuffer func(cname []byte) (*bytebufferpool.ByteBuffer, uint8)
	maxName    int // bytes of a channel's name
}

// dialects are those that the server speaks.
var dialects []dialect

// A new dialect is a file, or a folder, and a line here. It is init that lists them, since
// what serves their paths looks dialects up itself.
func init() {
	dialects = []dialect{
		icometDialect,
		ccometDialect,
	}
}

// endpoints are the paths of each side.
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

// table maps the paths of each side to their endpoints: those of the dialects, and those
// that the configuration adds.
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
			e.methods = post // it is not done by following a link
		}
		t.add(conn.Front, path, e)
	}
	return t
}

// dialectNamed is the dialect of a name that a request gives.
func dialectNamed(name []byte) *dialect {
	for i := range dialects {
		if dialects[i].name == string(name) {
			return &dialects[i]
		}
	}
	return nil
}

// dialectNames lists the names that a request may give.
func dialectNames() string {
	var names []string
	for i := range dialects {
		if dialects[i].name != "" {
			names = append(names, dialects[i].name)
		}
	}
	return strings.Join(names, ", ")
}
