package web

import (
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// denials tells of addresses that the admin side does not let in: each once a minute, and no
// more of them than deniedAddresses. Any loop may tell.
type denials struct {
	mu     sync.Mutex
	minute int64
	told   map[netip.Addr]struct{} // in this minute
}

const deniedAddresses = 256

// tell logs that an address was denied, unless that has been said.
func (d *denials) tell(log *zerolog.Logger, now time.Time, client netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if minute := now.Unix() / 60; minute != d.minute || d.told == nil {
		d.minute, d.told = minute, make(map[netip.Addr]struct{})
	}
	if _, told := d.told[client]; told || len(d.told) > deniedAddresses {
		return
	}
	d.told[client] = struct{}{}
	if len(d.told) > deniedAddresses {
		log.Warn().Int("addresses", deniedAddresses).Msg("more addresses are denied on the admin side: not told in this minute")
		return
	}
	address := "unix"
	if client.IsValid() {
		address = client.String()
	}
	log.Warn().Str("address", address).Msg("denied on the admin side: admin-allow does not let it in; told once a minute")
}
