package web

import (
	"strconv"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/jsontext"
)

// This file adds to the admin side's answers what is known of the other servers of a cluster.

// shared is the cluster that this server is part of; the zero value is a server by itself.
type shared struct{ broker.Cluster }

// appendInfo appends the other servers, and whether the cluster's log can be reached, to the
// answer of /info.
func (s shared) appendInfo(dst []byte, others []broker.Node) []byte {
	dst = append(dst, `, "nodes": [`...)
	for i, node := range others {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, "\n {", "name", node.Name)
		dst = appendText(dst, ", ", "version", node.Version)
		dst = jsontext.AppendField(dst, ", ", "channels", node.Channels)
		dst = append(jsontext.AppendField(dst, ", ", "subscribers", node.Subscribers), '}')
	}
	dst = append(dst, ']')
	if err := s.Away(); err != nil {
		return appendText(dst, ", ", "log", err.Error())
	}
	return appendText(dst, ", ", "log", "ok")
}

func appendText(dst []byte, before, name, text string) []byte {
	dst = append(strconv.AppendQuote(append(dst, before...), name), `: "`...)
	return append(jsontext.AppendEscaped(dst, []byte(text)), '"')
}

// otherNames appends the names of the other servers: first before the first name, between
// before each later one.
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

// away returns why the cluster's log cannot be reached; nil if it can, or if there is no
// cluster.
func (s shared) away() error {
	if s.Cluster == nil {
		return nil
	}
	return s.Away()
}

func (c *Config) shared() shared { return shared{c.Cluster} }
