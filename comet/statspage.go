package comet

// stats serves /stats. The answer is made anew once a second.
func (w *web) stats(x *exchange) {
	r := &w.rendered
	if w.stamp(); r.statsSecond != w.dateSecond || len(r.stats) == 0 {
		r.statsSecond = w.dateSecond
		r.stats = w.cfg.Stats(r.stats[:0])
	}
	w.replyJSON(x, nil, r.stats)
}
