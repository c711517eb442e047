//go:build !race

package e2e

// raceEnabled tells whether the tests have the race detector.
const raceEnabled = false
