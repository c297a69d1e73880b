package comet

import (
	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/peer"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/web"
)

// What the package's parts define, and its users name.

// Bounds that are not settings.
const (
	MaxLoops      = record.MaxLoops      // event loops of a server
	MaxName       = record.MaxName       // bytes of a channel's name, or a subscriber's
	MaxCCometName = record.MaxCCometName // bytes of a channel's name in CComet's dialect
	MaxCallback   = web.MaxCallback      // bytes of a JSONP callback's name
	MaxLease      = broker.MaxLease      // the longest that a channel may be signed for
	MaxBundle     = hub.MaxBundle        // channels on one connection
	MaxHistory    = broker.MaxHistory    // messages that /history answers with
	MaxKey        = web.MaxKey           // bytes of the key of a message that is published
	KeyTime       = broker.KeyTime       // how long a key is remembered
	MaxExplained  = broker.MaxExplained  // subscribers that /explain lists
	MaxHandling   = web.MaxHandling      // requests that are with handlers at a time, on all loops
	MaxHandled    = web.MaxHandled       // bytes of a handler's answer
)

// StateGap is how many numbers each channel leaves out when the file it comes from is
// older than the end of the server that wrote it: numbers that were given in between
// are not given again, unless there were more of them. Each server that loads the
// same file leaves a gap more.
const StateGap = record.StateGap

// Compat are the leniencies that keep another server's clients and backends working.
// The zero value has none.
type Compat = web.Compat

// CompatIComet are those that iComet's clients and backends need.
func CompatIComet() Compat { return web.CompatIComet() }

// Cluster is a log beyond the server, which several servers share.
type Cluster = broker.Cluster

// Node is a server among several that share a log.
type Node = broker.Node

// Page is a document that is served as it is.
type Page = web.Page

// Addresses is a set of peers, named by where they come from. The zero value is empty.
// Once made it is only read, by any goroutine.
type Addresses = peer.Addresses

// ParseAddresses reads a list of addresses (10.0.0.5, fd00::5), beginnings of IPv4
// addresses (10.0.), networks (10.0.0.0/8), "all" or "*", and "unix" for peers on unix
// sockets. The error quotes the element and says what is wrong with it.
func ParseAddresses(list []string) (Addresses, error) { return peer.ParseAddresses(list) }

// Origins are web origins, of pages that a side's answers are for. The zero value has
// none.
type Origins = peer.Origins

// ParseOrigins reads a list of origins: https://example.com, https://*.example.com, or
// "*" for all.
func ParseOrigins(list []string) (Origins, error) { return peer.ParseOrigins(list) }

// Hosts are names of hosts. The zero value has none.
type Hosts = web.Hosts

// ParseHosts reads a list of names, each a text or several with commas between them:
// "comet.internal"; "*.example.com" for all below a domain; "*" for every name.
func ParseHosts(list []string) (Hosts, error) { return web.ParseHosts(list) }
