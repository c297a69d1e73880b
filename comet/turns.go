package comet

// Turns wakes every loop, and returns how many turns each had run before. A loop whose
// number has not risen by the next call is stuck in a turn. Any goroutine may call it.
func (srv *Server) Turns() []int64 {
	turns := make([]int64, len(srv.shards))
	for i, s := range srv.shards {
		turns[i] = s.loop.Stats().Turns
		s.loop.Wake()
	}
	return turns
}
