//go:build unix

package load

import (
	"errors"
	"fmt"
	"syscall"
)

// segmentBytes is what a segment of TCP has on most ways through the Internet. Within one machine it is 64 KiB, and the
// sender's buffer, which grows with it, would hold megabytes.
const segmentBytes = 1448

// narrow lets a connection that is to be made hold little on its way, as if it came from far and did not read.
func narrow(_, _ string, conn syscall.RawConn) error {
	var err error
	outer := conn.Control(func(fd uintptr) {
		err = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segmentBytes),
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, stuckBytes),
		)
	})
	if err := errors.Join(outer, err); err != nil {
		return fmt.Errorf("making the system's buffers small: %w", err)
	}
	return nil
}
