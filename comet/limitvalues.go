package comet

import "ccomet/comet/internal/limit"

// limitValues are what is set, 0 for no limit.
func (srv *Server) limitValues() [limit.NumLimits]int {
	cfg := &srv.cfg
	return [limit.NumLimits]int{
		cfg.MaxChannels, cfg.MaxSubscribersPerChannel, cfg.MaxConnections, cfg.MaxConnectionsPerAddress,
		cfg.MaxHistoryBytes, cfg.MaxHeldBytes, cfg.PublishRatePerChannel, cfg.PublishRatePerAddress,
	}
}
