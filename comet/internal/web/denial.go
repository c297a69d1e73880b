package web

import (
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// denials tells of addresses that the admin side does not let in: each once a minute, and no
// more of them than deniedAddresses. Any loop may tell.
type Denials struct {
	mu     sync.Mutex
	minute int64
	Told   map[netip.Addr]struct{} // in this minute
}

const DeniedAddresses = 256

// tell logs that an address was denied, unless that has been said.
func (d *Denials) Tell(log *zerolog.Logger, now time.Time, client netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if minute := now.Unix() / 60; minute != d.minute || d.Told == nil {
		d.minute, d.Told = minute, make(map[netip.Addr]struct{})
	}
	if _, told := d.Told[client]; told || len(d.Told) > DeniedAddresses {
		return
	}
	d.Told[client] = struct{}{}
	if len(d.Told) > DeniedAddresses {
		log.Warn().Int("addresses", DeniedAddresses).Msg("more addresses are denied on the admin side: not told in this minute")
		return
	}
	address := "unix"
	if client.IsValid() {
		address = client.String()
	}
	log.Warn().Str("address", address).Msg("denied on the admin side: admin-allow does not let it in; told once a minute")
}
