package comet

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"ccomet/httplite"
)

// endpoint is what a path does, and for which methods.
type endpoint struct {
	methods []httplite.Method
	serve   func(s *shard, x *exchange)
}

var (
	get     = []httplite.Method{httplite.GET}
	getHead = []httplite.Method{httplite.GET, httplite.HEAD}
	getPost = []httplite.Method{httplite.GET, httplite.POST}
	post    = []httplite.Method{httplite.POST}
)

func (e *endpoint) allows(m httplite.Method) bool {
	for _, allowed := range e.methods {
		if m == allowed {
			return true
		}
	}
	return false
}

// table maps the paths of each side to their endpoints.
func table(cfg *Config) (t [sides]map[string]endpoint) {
	t[sideFront] = map[string]endpoint{
		"/sub":    {getHead, subscribeBy(transportPoll)},
		"/poll":   {getHead, subscribeBy(transportPoll)},
		"/stream": {getHead, subscribeBy(transportStream)},
		"/iframe": {getHead, subscribeBy(transportIframe)},
		"/sse":    {getHead, subscribeBy(transportSSE)},
		"/ping":   {getHead, (*shard).ping},
	}
	t[sideAdmin] = map[string]endpoint{
		"/push":      {getPost, (*shard).push},
		"/pub":       {getPost, (*shard).pub},
		"/broadcast": {getPost, (*shard).broadcast},
		"/sign":      {getPost, controlling(opSign)},
		"/close":     {getPost, controlling(opClose)},
		"/clear":     {getPost, controlling(opClear)},
		"/check":     {getHead, controlling(opCheck)},
		"/info":      {getHead, (*shard).info},
		"/explain":   {getHead, (*shard).explain},
		"/psub":      {getHead, (*shard).psub},
		"/healthz":   {getHead, (*shard).health},
		"/readyz":    {getHead, (*shard).ready},
		"/stats":     {getHead, (*shard).stats},
	}
	for path, handler := range cfg.Handlers {
		t[sideAdmin][path] = endpoint{getHead, handledBy(handler)}
	}
	t[sideCComet] = ccometTable()
	for _, page := range cfg.Pages {
		t[sideFront][page.Path] = endpoint{getHead, func(s *shard, x *exchange) {
			s.reply(x, 200, page.ContentType, page.Body)
		}}
	}
	for path, of := range cfg.Public {
		e := t[sideAdmin][of]
		if e.allows(httplite.POST) {
			e.methods = post // what changes something is not done by following a link
		}
		t[sideFront][path] = e
	}
	return t
}

// Content types.
const (
	typeText   = "text/plain; charset=utf-8"
	typeJSON   = "application/json; charset=utf-8"
	typeScript = "text/javascript; charset=utf-8"
	typeHTML   = "text/html; charset=utf-8"
	typeSSE    = "text/event-stream; charset=utf-8"
)

// arg returns a parameter, decoded: of the form if it is there, else of the
// query. ok is false when it is absent; a bad escape counts as a broken rule
// and is told as such. The bytes are good while the request is served.
func (s *shard) arg(x *exchange, name string) (value []byte, ok bool, err error) {
	raw, ok := httplite.GetArg(x.form, name)
	if !ok {
		if raw, ok = httplite.GetArg(x.req.Query(), name); !ok {
			return nil, false, nil
		}
	}
	value, err = s.unescape(raw, name)
	return value, true, err
}

// unescape decodes the value of a parameter.
func (s *shard) unescape(raw []byte, name string) (value []byte, err error) {
	if bytes.IndexByte(raw, '%') < 0 && bytes.IndexByte(raw, '+') < 0 {
		return raw, nil
	}
	at := len(s.args)
	s.args, err = httplite.AppendUnescape(s.args, raw)
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %v", name, err)
	}
	return s.args[at:len(s.args):len(s.args)], nil
}

// numberArg returns an int32 parameter, or def.
func (s *shard) numberArg(x *exchange, name string, def int32) (int32, error) {
	raw, _, err := s.arg(x, name)
	if err != nil || len(raw) == 0 {
		return def, err
	}
	return parseNumber(raw, name)
}

func parseNumber(raw []byte, name string) (int32, error) {
	v, perr := strconv.ParseInt(string(raw), 10, 32)
	if perr != nil {
		return 0, fmt.Errorf("parameter %s: want a whole number of 32 bits", name)
	}
	return int32(v), nil
}

// nameArg returns the channel's name, which must be there.
func (s *shard) nameArg(x *exchange) ([]byte, error) {
	cname, _, err := s.arg(x, "cname")
	if err == nil {
		err = checkName(cname)
	}
	return cname, err
}

var errNoName = errors.New("parameter cname is missing")

func checkName(cname []byte) error {
	switch {
	case len(cname) == 0:
		return errNoName
	case len(cname) > MaxName:
		return fmt.Errorf("parameter cname: %d bytes, at most %d", len(cname), MaxName)
	case !utf8.Valid(cname):
		return errors.New("parameter cname: not UTF-8")
	}
	for _, b := range cname {
		if b < ' ' || b == 0x7F {
			return errors.New("parameter cname: control characters are not allowed")
		}
	}
	return nil
}

// callbackArg returns the JSONP callback, empty if there is none.
func (s *shard) callbackArg(x *exchange) ([]byte, error) {
	cb, _, err := s.arg(x, "cb")
	if err == nil && len(cb) > 0 && !isCallback(cb) {
		return nil, fmt.Errorf("parameter cb: want a JavaScript name of letters, digits, _ $ and dots, at most %d long", MaxCallback)
	}
	return cb, err
}

// isCallback says whether cb is ^[A-Za-z_$][\w$.]{0,63}$: whatever else a page
// is made to ask for must not come back as its own script.
func isCallback(cb []byte) bool {
	for i, b := range cb {
		switch {
		case b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z', b == '_', b == '$':
		case i > 0 && (b >= '0' && b <= '9' || b == '.'):
		default:
			return false
		}
	}
	return len(cb) > 0 && len(cb) <= MaxCallback
}

// subscribeBy makes the endpoint of a transport.
func subscribeBy(t transport) func(*shard, *exchange) {
	return func(s *shard, x *exchange) {
		if err := s.startSub(x, t); err != nil {
			s.fail(x, 400, err.Error())
		}
	}
}

// ping answers without a channel.
func (s *shard) ping(x *exchange) {
	cb, err := s.callbackArg(x)
	if err != nil {
		s.fail(x, 400, err.Error())
		return
	}
	if len(cb) == 0 {
		cb = []byte("icomet_cb")
	}
	s.object = append(s.object[:0], `{"type":"ping","sub_timeout":`...)
	s.object = strconv.AppendInt(s.object, int64(s.cfg.PollingTimeout.Seconds()), 10)
	s.object = append(s.object, '}')
	s.replyJSON(x, cb, s.object)
}

func (s *shard) health(x *exchange) {
	if s.drain.on() {
		s.reply(x, 503, typeText, []byte("draining"))
		return
	}
	s.reply(x, 200, typeText, []byte("ok"))
}
