package comet

// limitValues are what is set, 0 for no limit.
func (srv *Server) limitValues() [limits]int {
	cfg := &srv.cfg
	return [limits]int{
		cfg.MaxChannels, cfg.MaxSubscribersPerChannel, cfg.MaxConnections, cfg.MaxConnectionsPerAddress,
		cfg.MaxHistoryBytes, cfg.MaxHeldBytes, cfg.PublishRatePerChannel, cfg.PublishRatePerAddress,
	}
}
