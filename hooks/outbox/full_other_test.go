//go:build !unix

package outbox_test

const fullVariable = "OUTBOX_TEST_FULL"

func fullMain() {}
