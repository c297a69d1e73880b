package cluster

import (
	"strconv"
	"sync"
	"time"
)

// touches are channels that have subscribers, whose numbers and leases Redis must keep.
// What is dropped while Redis cannot be reached is told again later.
type touches struct {
	mu    sync.Mutex
	names []string
	lease time.Duration // the longest of all
}

// Touch says that a channel has subscribers.
func (t *loop) Touch(cname []byte, lease time.Duration) {
	q := &t.log.of(cname).touches
	q.mu.Lock()
	q.names, q.lease = append(q.names, string(cname)), max(q.lease, lease)
	q.mu.Unlock()
	t.log.touched.tell()
}

// touchMost is how many channels are touched with one call.
const touchMost = 500

// touchScript extends the life of channels' numbers, and signs the channels for some
// time. KEYS are m of each channel, and l if there is a lease; ARGV are the seconds, and
// the milliseconds of the lease.
var touchScript = newScript(`
local call, k, lease = redis.call, 1, tonumber(ARGV[2])
while KEYS[k] do
  call('EXPIRE', KEYS[k], ARGV[1])
  k = k + 1
  if lease > 0 then
    if call('PTTL', KEYS[k]) < lease then call('SET', KEYS[k], '1', 'PX', ARGV[2]) end
    k = k + 1
  end
end
return k
`)

// touch tells Redis of the channels of a partition that have subscribers.
func (p *partition) touch() {
	q := &p.touches
	q.mu.Lock()
	names, lease := q.names, q.lease
	q.names, q.lease = nil, 0
	q.mu.Unlock()
	for len(names) > 0 {
		some := names[:min(len(names), touchMost)]
		names = names[len(some):]
		keys := make([]string, 0, 2*len(some))
		for _, name := range some {
			if keys = append(keys, p.prefix+"m:"+name); lease > 0 {
				keys = append(keys, p.prefix+"l:"+name)
			}
		}
		ctx, done := p.log.call(callTimeout)
		b := p.log.client.B()
		err := p.log.client.Do(ctx, b.Eval().Script(touchScript.text).Numkeys(int64(len(keys))).Key(keys...).Arg(numberSeconds, strconv.FormatInt(lease.Milliseconds(), 10)).Build()).Error()
		if done(); err != nil {
			p.health.failed(err)
			return
		}
	}
}

var numberSeconds = strconv.Itoa(int(numberTTL / time.Second))

// touchTime is how long channels are gathered for one call.
const touchTime = 250 * time.Millisecond

// touch tells Redis of the channels that have subscribers, until the log ends.
func (l *Log) touch() {
	for {
		select {
		case <-l.touched:
		case <-l.ctx.Done():
		}
		if !l.sleep(touchTime) {
			return
		}
		for _, p := range l.partitions {
			p.touch()
		}
	}
}
