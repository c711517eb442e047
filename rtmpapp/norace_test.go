//go:build !race

package rtmpapp_test

// raceEnabled tells whether the tests have the race detector.
const raceEnabled = false
