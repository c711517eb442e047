//go:build !unix

package stats

func (*rusagesRow) measure() error { return errNotTold }
