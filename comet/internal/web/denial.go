package web

import (
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// denials logs the addresses that the admin side denies: each once a minute, and at most
// deniedAddresses of them a minute. It is safe for concurrent use by all loops.
type denials struct {
	mu     sync.Mutex
	minute int64
	told   map[netip.Addr]struct{} // logged in this minute
}

const deniedAddresses = 256

// tell logs a denied address, unless it was logged in this minute.
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
		log.Warn().Int("addresses", deniedAddresses).Msg("more addresses are denied on the admin side; they are not logged in this minute")
		return
	}
	address := "unix"
	if client.IsValid() {
		address = client.String()
	}
	log.Warn().Str("address", address).Msg("denied on the admin side by admin-allow or admin-deny; logged once a minute")
}
