// Command push-nbio is a push server built with
// https://github.com/lesismal/nbio: event loops with epoll, and no goroutine
// for a connection.
package main

import (
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"

	"targets/push"
)

var channels = push.Channels[*websocket.Conn]{Send: func(message []byte, to map[*websocket.Conn]struct{}) {
	for conn := range to {
		_ = conn.WriteMessage(websocket.TextMessage, message) // fails if conn is closed; then it leaves
	}
}}

func main() {
	logging.SetLevel(logging.LevelError)
	upgrader := websocket.NewUpgrader()
	upgrader.KeepaliveTime = 0 // connections may wait forever
	upgrader.OnClose(func(conn *websocket.Conn, _ error) {
		if name, ok := conn.Session().(string); ok {
			channels.Leave(name, conn)
		}
	})
	mux := new(http.ServeMux)
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		name := r.URL.Query().Get("cname")
		conn.SetSession(name)
		channels.Join(name, conn)
	})
	mux.Handle("/push", &channels)
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network: "tcp", Addrs: []string{push.Listen()}, MaxLoad: 1 << 20, Handler: mux, ReleaseWebsocketPayload: true,
		IOMod: nbhttp.IOModNonBlocking, KeepaliveTime: 24 * 365 * 3600 * 1e9,
	})
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	engine.Stop()
}
