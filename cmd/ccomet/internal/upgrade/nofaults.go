//go:build !faults

package upgrade

// failpoint injects faults only in builds for tests (faults.go).
func failpoint(string) error { return nil }
