package web

import (
	"strconv"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/msg"
)

// What the admin side tells of the other servers, where several share a log.

// shared is that log.
type shared struct{ broker.Cluster }

// appendInfo appends what /info tells of them, and whether the log can be reached.
func (s shared) appendInfo(dst []byte, others []broker.Node) []byte {
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
	if err := s.Away(); err != nil {
		return appendText(dst, ", ", "log", err.Error())
	}
	return appendText(dst, ", ", "log", "ok")
}

func appendText(dst []byte, before, name, text string) []byte {
	dst = append(strconv.AppendQuote(append(dst, before...), name), `: "`...)
	return append(msg.AppendEscaped(dst, []byte(text)), '"')
}

// otherNames are the names of the other servers, each with what stands before it.
func (s shared) otherNames(dst []byte, first, between string) []byte {
	if s.Cluster == nil {
		return dst
	}
	for i, node := range s.Nodes() {
		if i > 0 {
			first = between
		}
		dst = append(append(dst, first...), node.Name...)
	}
	return dst
}

// away says why the log of several servers cannot be reached; nil: it can, or there is none.
func (s shared) away() error {
	if s.Cluster == nil {
		return nil
	}
	return s.Away()
}

func (c *Config) shared() shared { return shared{c.Cluster} }
