// Command push-gws is a push server built with https://github.com/lxzan/gws and
// net/http. It has a goroutine for each connection.
package main

import (
	"log"
	"net/http"

	"github.com/lxzan/gws"

	"targets/push"
)

var channels = push.Channels[*gws.Conn]{Send: func(message []byte, to map[*gws.Conn]struct{}) {
	b := gws.NewBroadcaster(gws.OpcodeText, message)
	defer b.Close()
	for conn := range to {
		_ = b.Broadcast(conn) // fails if conn is closed; then it leaves
	}
}}

type events struct{ gws.BuiltinEventHandler }

func (events) OnClose(conn *gws.Conn, _ error) {
	if name, ok := conn.Session().Load("cname"); ok {
		channels.Leave(name.(string), conn)
	}
}

func (events) OnPing(conn *gws.Conn, payload []byte) { _ = conn.WritePong(payload) }

func main() {
	upgrader := gws.NewUpgrader(events{}, nil)
	http.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		name := r.URL.Query().Get("cname")
		conn.Session().Store("cname", name)
		channels.Join(name, conn)
		go conn.ReadLoop() // this returns from the handler, which frees its memory
	})
	http.Handle("/push", &channels)
	log.Fatal(http.ListenAndServe(push.Listen(), nil))
}
