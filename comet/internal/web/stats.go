package web

// stats serves /stats. The answer is rendered at most once a second.
func (w *Web) stats(x *exchange) {
	r := &w.responder
	if w.Stamp(); r.statsSecond != w.DateSecond || len(r.stats) == 0 {
		r.statsSecond = w.DateSecond
		r.stats = w.cfg.Stats(r.stats[:0])
	}
	w.replyJSON(x, nil, r.stats)
}
