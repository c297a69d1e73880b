package web

import (
	"errors"

	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/msg"
	"ccomet/httplite"
	"ccomet/httplite/websocket"
)

// subprotocol is the only WebSocket subprotocol. A client need not offer any.
const subprotocol = "ccomet.v1"

var errSubprotocol = &websocket.HandshakeError{Status: 400, Reason: "none of the offered subprotocols is supported: offer " + subprotocol + ", or none"}

// upgrade serves /ws: it turns a connection into a WebSocket.
func (w *Web) upgrade(x *exchange) {
	h, err := websocket.ReadHandshake(x.req, &w.site.Sockets)
	if err == nil && h.Offered && h.Protocol == "" {
		err = errSubprotocol
	}
	if err != nil {
		w.sockets.refuseHandshake(x, err)
		return
	}
	mayConnect, mayPublish := w.sockets.judgePage(x)
	if !mayConnect {
		w.Body = appendForeignPage(w.Body[:0], x, "connect")
		w.failed(x, 403)
		return
	}
	topics, err := x.socketTopics()
	if err != nil {
		w.fail(x, 400, err.Error())
		return
	}
	sub := hub.Subscriber{Transport: frame.WebSocket}
	if h.Deflate {
		sub.Transport = frame.WebSocketDeflate
	}
	if x.given("lost") {
		sub.Flags |= hub.SubSayLost
	}
	if mayPublish && w.cfg.WSPublish {
		sub.Flags |= hub.SubMayPublish
	}
	if w.site.Publishers != nil {
		*w.sockets.clients.At(x.conn.Index()) = w.clients.of(x)
	}
	most := min(len(topics), w.cfg.WSMaxChannels)
	if !w.hub.Enter(x.conn, nil, sub, topics[:most]) {
		w.Refuse(x.conn, hub.ErrNoMemory)
		return
	}
	w.Scratch = httplite.EndHeaders(h.AppendResponse(w.Scratch[:0]))
	w.Scratch = w.sockets.appendTooMany(w.Scratch, topics[most:])
	_ = w.loop.Write(x.conn, w.Scratch) // if the connection is lost, Closed is called
}

// refuseHandshake answers a request that is not a valid handshake.
func (k *sockets) refuseHandshake(x *exchange, err error) {
	status := 400
	if of := new(websocket.HandshakeError); errors.As(err, &of) {
		status = of.Status
	}
	if status == 426 {
		x.headers = []byte("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n")
	}
	k.fail(x, status, err.Error())
}

// socketTopics returns the channels that the upgrade request names, possibly none.
func (x *exchange) socketTopics() ([]hub.Topic, error) {
	if !x.has(x.query, "cname") {
		return nil, nil
	}
	return x.topicArgs()
}

// appendTooMany appends a refusal for each channel that the upgrade request names beyond
// ws-max-channels.
func (k *sockets) appendTooMany(dst []byte, topics []hub.Topic) []byte {
	for n := range topics {
		k.totals.Refused.Add(1)
		k.totals.HitLimit(limit.WSMaxChannels, k.cfg.WSMaxChannels, k.loop.Now())
		k.Object = msg.AppendObject(k.Object[:0], msg.Error429, topics[n].Cname, 0, k.cfg.tooManyTopics())
		dst = websocket.AppendFrame(dst, websocket.Text, k.Object)
	}
	return dst
}

// judgePage reports whether a browser's page may open a WebSocket, and whether it may publish
// on it. Browsers send no CORS preflight for a WebSocket, so the rules for other requests are
// applied here: a page may connect if it could read an event stream, and publish if it is this
// server's own or its origin is listed.
func (k *sockets) judgePage(x *exchange) (mayConnect, mayPublish bool) {
	if !k.pages.foreignPage(x) {
		return true, true
	}
	return k.site.cors[x.side].Origins.Any || k.EventsForAll(), false
}
