package comet

import (
	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/peer"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/web"
)

// Names from the internal packages that users of this package need.

// Bounds that are not settings.
const (
	MaxLoops      = record.MaxLoops      // event loops of a server
	MaxName       = record.MaxName       // bytes of a channel's name, or a subscriber's
	MaxCCometName = record.MaxCCometName // bytes of a channel's name in CComet's dialect
	MaxCallback   = web.MaxCallback      // bytes of a JSONP callback's name
	MaxLease      = broker.MaxLease      // longest lease for which a channel may be signed
	MaxBundle     = hub.MaxBundle        // channels on one connection
	MaxHistory    = broker.MaxHistory    // messages in one answer of /history
	MaxKey        = web.MaxKey           // bytes of the key of a published message
	KeyTime       = broker.KeyTime       // how long a key is remembered
	MaxExplained  = broker.MaxExplained  // subscribers that /explain lists
	MaxHandling   = web.MaxHandling      // requests that handlers serve at a time, on all loops
	MaxHandled    = web.MaxHandled       // bytes of a handler's response
)

// StateGap is how many message numbers each channel skips if the state file is older
// than the end of the server that wrote it. So the numbers that were given after the
// last write are not given again, unless there were more of them. Each further server
// that loads the same file skips as many again.
const StateGap = record.StateGap

// Compat lists leniencies that keep another server's clients and backends working. The
// zero value has none.
type Compat = web.Compat

// CompatIComet returns the leniencies that iComet's clients and backends need.
func CompatIComet() Compat { return web.CompatIComet() }

// Cluster is a shared log: it is outside the server, and several servers share it.
type Cluster = broker.Cluster

// Node describes a server among several that share a log.
type Node = broker.Node

// Page is a document that is served unchanged.
type Page = web.Page

// Addresses is a set of peers, by address. The zero value is empty. It never changes
// once made: any goroutine may use it.
type Addresses = peer.Addresses

// ParseAddresses parses a list of addresses (10.0.0.5, fd00::5), prefixes of IPv4
// addresses (10.0.), networks (10.0.0.0/8), "all" or "*", and "unix" for peers on unix
// sockets. The error quotes the element and says what is wrong with it.
func ParseAddresses(list []string) (Addresses, error) { return peer.ParseAddresses(list) }

// Origins is a set of web origins. The zero value is empty.
type Origins = peer.Origins

// ParseOrigins parses a list of origins: https://example.com, https://*.example.com,
// or "*" for all.
func ParseOrigins(list []string) (Origins, error) { return peer.ParseOrigins(list) }

// Hosts is a set of host names. The zero value is empty.
type Hosts = web.Hosts

// ParseHosts parses a list of names, where an element may be several names with commas
// between them: "comet.internal"; "*.example.com" for every name below a domain; "*"
// for every name.
func ParseHosts(list []string) (Hosts, error) { return web.ParseHosts(list) }
