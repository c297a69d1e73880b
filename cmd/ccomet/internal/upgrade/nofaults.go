//go:build !faults

package upgrade

// at is where a test has a step of an upgrade go wrong (faults.go).
func at(string) error { return nil }
