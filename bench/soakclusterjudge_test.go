package bench

import (
	"testing"
	"time"

	"ccomet/bench/result"
)

// clusterCases are reports to a judge, and the faults that it must find.
var clusterCases = map[string]struct {
	happens func(j *clusterJudge, p *clusterPlace)
	want    result.Check
}{
	"all is well": {func(j *clusterJudge, p *clusterPlace) {
		j.moved(p, "client", 1)
		j.message(p, "client", 1, "one")
		j.numbered(0, 2, "two", "publisher")
		j.message(p, "client", 2, "two")
		j.moved(p, "client", 3)
	}, result.Check{}},
	"a number is given twice": {func(j *clusterJudge, p *clusterPlace) {
		j.numbered(0, 1, "one", "publisher")
		j.numbered(0, 1, "two", "publisher")
	}, result.Check{Doubled: 1}},
	"a message has two numbers": {func(j *clusterJudge, p *clusterPlace) {
		j.numbered(0, 1, "one", "publisher")
		j.numbered(0, 2, "one", "publisher")
	}, result.Check{Doubled: 1}},
	"a key is forgotten": {func(j *clusterJudge, p *clusterPlace) {
		j.numbered(0, 1, "key", "publisher")
		j.numbered(0, 2, "key", "publisher")
	}, result.Check{Doubled: 1}},
	"a key is lost with its master": {func(j *clusterJudge, p *clusterPlace) {
		j.numbered(0, 1, "key", "publisher")
		j.harm()
		j.healed()
		j.numbered(0, 2, "key", "publisher")
	}, result.Check{}},
	"what nobody has published": {func(j *clusterJudge, p *clusterPlace) { j.numbered(0, 1, "other", "publisher") }, result.Check{Damaged: 1}},
	"in silence": {func(j *clusterJudge, p *clusterPlace) {
		j.message(p, "client", 1, "one")
		j.message(p, "client", 3, "two")
	}, result.Check{Lost: 1}},
	"twice": {func(j *clusterJudge, p *clusterPlace) {
		j.message(p, "client", 1, "one")
		j.message(p, "client", 1, "one")
	}, result.Check{Doubled: 1}},
	"back": {func(j *clusterJudge, p *clusterPlace) {
		j.message(p, "client", 7, "one")
		j.lost(p, "client", 3, false)
	}, result.Check{Disordered: 1}},
	"told of what is there": {func(j *clusterJudge, p *clusterPlace) {
		j.numbered(0, 2, "two", "publisher")
		j.message(p, "client", 1, "one")
		j.lost(p, "client", 3, false)
	}, result.Check{Lost: 1}},
	"told of what a master has lost": {func(j *clusterJudge, p *clusterPlace) {
		j.numbered(0, 2, "two", "publisher")
		j.message(p, "client", 1, "one")
		j.harm()
		j.lost(p, "client", 3, false)
	}, result.Check{}},
	"told of what was on its way to a master, and is heard of late": {func(j *clusterJudge, p *clusterPlace) {
		j.message(p, "client", 1, "one")
		j.harm()
		j.healed()
		j.numbered(0, 2, "two", "publisher")
		j.lost(p, "client", 3, false)
	}, result.Check{}},
	"told of what was published since": {func(j *clusterJudge, p *clusterPlace) {
		j.message(p, "client", 1, "one")
		j.harm()
		j.healed()
		j.publishing("two", false, 0)
		j.numbered(0, 2, "two", "publisher")
		j.lost(p, "client", 3, false)
	}, result.Check{Lost: 1}},
	"told of what was lost in a failover of the Sentinels' own": {func(j *clusterJudge, p *clusterPlace) {
		j.numbered(0, 2, "two", "publisher")
		j.message(p, "client", 1, "one")
		j.switched("one to two")
		j.lost(p, "client", 3, false)
	}, result.Check{}},
	"told of what was published after a failover that a Sentinel reports late": {func(j *clusterJudge, p *clusterPlace) {
		j.message(p, "client", 1, "one")
		j.harm()
		j.switched("one to two")
		j.healed()
		j.publishing("two", false, 0)
		j.numbered(0, 2, "two", "publisher")
		j.switched("one to two")
		j.lost(p, "client", 3, false)
	}, result.Check{Lost: 1}},
	"told of what was cleared": {func(j *clusterJudge, p *clusterPlace) {
		j.numbered(0, 2, "two", "publisher")
		j.message(p, "client", 1, "one")
		j.emptied(0, 1)
		j.emptied(0, -1)
		j.lost(p, "client", 3, false)
	}, result.Check{}},
	"closed": {func(j *clusterJudge, p *clusterPlace) {
		j.channels[0].closable = true
		j.message(p, "client", 1, "one")
		j.closes(p, "client", 2)
		j.message(p, "client", 3, "two")
		j.numbered(0, 1, "key", "publisher")
	}, result.Check{Doubled: 1}},
	"sent back to the life before a close that Redis may have lost": {func(j *clusterJudge, p *clusterPlace) {
		j.channels[0].closable = true
		j.message(p, "client", 1, "one")
		j.emptied(0, 1)
		j.closes(p, "client", 3)
		j.harm()
		j.healed()
		j.emptied(0, -1)
		j.lost(p, "client", 1, true)
	}, result.Check{}},
	"sent back to the life before a close that Redis has": {func(j *clusterJudge, p *clusterPlace) {
		j.channels[0].closable = true
		j.message(p, "client", 1, "one")
		j.harm()
		j.healed()
		j.emptied(0, 1)
		j.closes(p, "client", 3)
		j.emptied(0, -1)
		j.lost(p, "client", 1, true)
	}, result.Check{Disordered: 1}},
	"moved on": {func(j *clusterJudge, p *clusterPlace) {
		j.message(p, "client", 1, "one")
		j.moved(p, "client", 5)
	}, result.Check{Lost: 1}},
	"of a channel that it has left": {func(j *clusterJudge, p *clusterPlace) {
		p.left = true
		j.message(p, "client", 1, "one")
	}, result.Check{Doubled: 1}},
	"a broadcast that one channel does not have": {func(j *clusterJudge, p *clusterPlace) {
		j.publishing("all", false, 0, 1)
		j.spread("all")
		j.numbered(0, 1, "all", "client")
		j.calm()
	}, result.Check{Lost: 1}},
}

// TestClusterJudge: the judge of several nodes finds each kind of fault, and no others.
func TestClusterJudge(t *testing.T) {
	t.Parallel()
	for name, c := range clusterCases {
		f := &faults{began: time.Now(), tell: func(text string) { t.Log(name, text) }}
		j := newClusterJudge(2, f)
		j.publishing("one", false, 0)
		j.publishing("two", false, 0)
		j.publishing("key", true, 0)
		c.happens(j, &clusterPlace{})
		if check, other, _ := f.counts(); check != c.want || other != 0 {
			t.Errorf("%s: %+v, and %d others; want %+v", name, check, other, c.want)
		}
	}
}
