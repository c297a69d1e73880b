package limit

import "sync/atomic"

// AddrCounter counts the connections of each address, on all loops, in a table that
// does not grow: two rows of counters, where the count of an address is the lower
// one of its two. It is never too low. It is too high only if other addresses share
// both its counters, which takes addresses by the million.
type AddrCounter [2][addrRow]atomic.Int32

const addrRow = 1 << 20

func (c *AddrCounter) places(client uint64) (a, b *atomic.Int32) {
	return &c[0][client%addrRow], &c[1][client>>32%addrRow]
}

// Add counts another connection of an address, and returns how many it has now. Any
// goroutine may call it.
func (c *AddrCounter) Add(client uint64) (count int) {
	a, b := c.places(client)
	return int(min(a.Add(1), b.Add(1)))
}

// Remove undoes one Add.
func (c *AddrCounter) Remove(client uint64) {
	a, b := c.places(client)
	a.Add(-1)
	b.Add(-1)
}
