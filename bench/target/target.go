// Package target reads what the harness must know about a server: how to subscribe, how to
// publish, how to start it, and how to find its process. Each server has a small TOML file;
// those in this directory are built in.
package target

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Target describes a server, as in its file. Words in braces are placeholders: see Template and
// Spawn.
type Target struct {
	Label   string `toml:"label"`   // name in reports
	About   string `toml:"about"`   // one sentence
	Spawn   string `toml:"spawn"`   // command that starts it; {front} and {admin} become free addresses, {port} the port of the first, {dir} a new directory with its Files
	Files   []File `toml:"file"`    // its configuration files
	Process string `toml:"process"` // name in the process table, to find a running server
	Front   string `toml:"front"`   // where clients of a running server subscribe: HOST:PORT
	Admin   string `toml:"admin"`   // where backends publish; default: Front

	Default    string                `toml:"default"` // the transport that is measured by default
	Transports map[string]*Transport `toml:"transport"`
	Publish    Publish               `toml:"publish"`
	Batch      *Batch                `toml:"batch"` // nil: not supported

	Cluster Cluster `toml:"cluster"`
}

// Cluster describes how several servers share channels over one Redis. Its placeholders are
// those of Spawn, and {redis}, which becomes its HOST:PORT, and {node}, a name for each server.
type Cluster struct {
	Flags  string `toml:"flags"`  // appended to Spawn
	Config string `toml:"config"` // replaces {cluster} in Files; without a cluster {cluster} is empty
}

// File is a configuration file, which is written before the server is started. Text may have
// the placeholders of Spawn.
type File struct {
	Name string `toml:"name"`
	Text string `toml:"text"`
}

// Transport is a way to subscribe.
type Transport struct {
	Path    string   `toml:"path"`    // a Template
	Headers []string `toml:"headers"` // Templates, as in "Accept: text/event-stream"
	Body    string   `toml:"body"`    // a Template; if it is set, the request is a POST, else a GET
	Also    string   `toml:"also"`    // a Template, which replaces {also} in Path for each further channel of a connection
	Once    bool     `toml:"once"`    // the response ends with a message, and the client polls again
	Cursor  Cursor   `toml:"cursor"`  // how a client resumes
	Say     string   `toml:"say"`     // a Template: the text with which a client of a WebSocket publishes

	WebSocket bool `toml:"websocket"` // the request is a handshake, and messages are frames
}

// Cursor is a way to tell the server which message is wanted next.
type Cursor string

const (
	NoCursor      Cursor = ""         // none: messages published meanwhile are missed
	ICometCursor  Cursor = "icomet"   // {seq}: the "seq" of iComet's JSON messages, or of its next_seq before the first message
	HeadersCursor Cursor = "modified" // {modified} and {etag}: the response's Last-Modified and ETag
)

// Publish is how to publish one message.
type Publish struct {
	Method   string   `toml:"method"`
	Path     string   `toml:"path"`     // a Template
	Headers  []string `toml:"headers"`  // Templates
	Body     string   `toml:"body"`     // a Template
	Status   []int    `toml:"status"`   // successful answers; default 200
	Pipeline bool     `toml:"pipeline"` // requests may be pipelined
}

// Batch describes how to publish many messages with one request, whose body has a line for
// each.
type Batch struct {
	Path    string   `toml:"path"`    // a Template
	Headers []string `toml:"headers"` // Templates
	Line    string   `toml:"line"`    // a Template
}

//go:embed *.toml
var builtin embed.FS

// Names returns the names of the built-in targets.
func Names() []string {
	files, err := fs.Glob(builtin, "*.toml")
	if err != nil {
		panic(err) // cannot fail: the pattern is constant
	}
	for i := range files {
		files[i] = strings.TrimSuffix(files[i], ".toml")
	}
	return files
}

// Load reads a target: a built-in one by its name, or else a file.
func Load(name string) (*Target, error) {
	data, err := builtin.ReadFile(name + ".toml")
	if err != nil {
		if data, err = os.ReadFile(name); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("target %q is neither a file nor one of %s", name, strings.Join(Names(), ", "))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	t, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", name, err)
	}
	return t, nil
}

func parse(data []byte) (*Target, error) {
	t := new(Target)
	if err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(t); err != nil {
		var strict *toml.StrictMissingError
		var decode *toml.DecodeError
		switch {
		case errors.As(err, &strict):
			return nil, fmt.Errorf("keys that are not known:\n%s", strict.String())
		case errors.As(err, &decode):
			return nil, errors.New(decode.String())
		}
		return nil, err
	}
	if t.Admin == "" {
		t.Admin = t.Front
	}
	if len(t.Publish.Status) == 0 {
		t.Publish.Status = []int{200}
	}
	return t, t.check()
}

func (t *Target) check() error {
	for key, value := range map[string]string{
		"label": t.Label, "front": t.Front, "default": t.Default,
		"publish.method": t.Publish.Method, "publish.path": t.Publish.Path,
	} {
		if value == "" {
			return fmt.Errorf("%s is missing", key)
		}
	}
	if t.Spawn == "" && t.Process == "" {
		return errors.New("spawn and process are missing: want at least one of them")
	}
	for _, f := range t.Files {
		if f.Name == "" || f.Name != filepath.Base(f.Name) {
			return fmt.Errorf("file.name is %q: want a name without directories", f.Name)
		}
	}
	if t.Batch != nil && (t.Batch.Path == "" || t.Batch.Line == "") {
		return errors.New("batch has no path, or no line")
	}
	for name, tr := range t.Transports {
		if tr.Path == "" {
			return fmt.Errorf("transport.%s.path is missing", name)
		}
		if !slices.Contains([]Cursor{NoCursor, ICometCursor, HeadersCursor}, tr.Cursor) {
			return fmt.Errorf("transport.%s.cursor is %q: want %q, %q or none", name, tr.Cursor, ICometCursor, HeadersCursor)
		}
		if tr.WebSocket && (tr.Once || tr.Body != "" || tr.Cursor == HeadersCursor) {
			return fmt.Errorf("transport.%s has websocket, and once, a body or the cursor %q, which a WebSocket has not", name, HeadersCursor)
		}
		if tr.Once && tr.Cursor == NoCursor {
			return fmt.Errorf("transport.%s has once without a cursor: what is published between two polls would be lost", name)
		}
	}
	_, err := t.Transport(t.Default)
	return err
}

// Transport returns the transport of a name, or the default one for "".
func (t *Target) Transport(name string) (*Transport, error) {
	if name == "" {
		name = t.Default
	}
	if tr := t.Transports[name]; tr != nil {
		return tr, nil
	}
	return nil, fmt.Errorf("%s has no transport %q: want one of %s", t.Label, name,
		strings.Join(slices.Sorted(maps.Keys(t.Transports)), ", "))
}
