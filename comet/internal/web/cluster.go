package web

import (
	"strconv"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/msg"
)

// What the admin side tells of the other servers, where several share a log.

// appendCluster appends what /info tells of them, and whether the log can be reached.
func (w *Web) appendCluster(dst []byte, others []broker.Node) []byte {
	dst = append(dst, `, "nodes": [`...)
	for i, node := range others {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, "\n {", "name", node.Name)
		dst = appendText(dst, ", ", "version", node.Version)
		dst = msg.AppendField(dst, ", ", "channels", node.Channels)
		dst = append(msg.AppendField(dst, ", ", "subscribers", node.Subscribers), '}')
	}
	dst = append(dst, ']')
	if err := w.cfg.Cluster.Away(); err != nil {
		return appendText(dst, ", ", "log", err.Error())
	}
	return appendText(dst, ", ", "log", "ok")
}

func appendText(dst []byte, before, name, text string) []byte {
	dst = append(strconv.AppendQuote(append(dst, before...), name), `: "`...)
	return append(msg.AppendEscaped(dst, []byte(text)), '"')
}

// otherNames are the names of the other servers, each with what stands before it.
func (w *Web) otherNames(dst []byte, first, between string) []byte {
	if w.cfg.Cluster == nil {
		return dst
	}
	for i, node := range w.cfg.Cluster.Nodes() {
		if i > 0 {
			first = between
		}
		dst = append(append(dst, first...), node.Name...)
	}
	return dst
}

// away says why the log of several servers cannot be reached; nil: it can, or there is none.
func (w *Web) away() error {
	if w.cfg.Cluster == nil {
		return nil
	}
	return w.cfg.Cluster.Away()
}
