//go:build !faults

package upgrade

// failpoint is where a test makes a step fail (faults.go).
func failpoint(string) error { return nil }
