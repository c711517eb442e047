package wire

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The simple handshake (RTMP 1.0, 5.2): one byte of version, then 1536 bytes each way and their echo.
const (
	version        = 3
	handshakeBytes = 1536
)

// HandshakeBytes is how much each side sends in the handshake.
const HandshakeBytes = 1 + 2*handshakeBytes

// ErrHandshake is returned, wrapped, for a peer that does not speak RTMP.
var ErrHandshake = errors.New("RTMP handshake failed")

// Accept does the server's part of the handshake. The echo in C2 is not compared, since some encoders send none.
func Accept(rw io.ReadWriter) error {
	var c [1 + handshakeBytes]byte
	if _, err := io.ReadFull(rw, c[:1]); err != nil {
		return fmt.Errorf("%w: reading C0: %w", ErrHandshake, err)
	}
	// A version above 31 is not RTMP but text, such as an HTTP request; below it the client has to take ours.
	if c[0] < version || c[0] > 31 {
		return fmt.Errorf("%w: the peer speaks no RTMP (first byte 0x%02x)", ErrHandshake, c[0])
	}
	if _, err := io.ReadFull(rw, c[1:]); err != nil {
		return fmt.Errorf("%w: reading C1: %w", ErrHandshake, err)
	}
	s := make([]byte, 1+2*handshakeBytes)
	hello(s[:1+handshakeBytes])
	copy(s[1+handshakeBytes:], c[1:])
	if _, err := rw.Write(s); err != nil {
		return fmt.Errorf("%w: writing S0 to S2: %w", ErrHandshake, err)
	}
	if _, err := io.ReadFull(rw, c[1:]); err != nil {
		return fmt.Errorf("%w: reading C2: %w", ErrHandshake, err)
	}
	return nil
}

// Connect does the client's part of the handshake.
func Connect(rw io.ReadWriter) error {
	var c [1 + handshakeBytes]byte
	hello(c[:])
	if _, err := rw.Write(c[:]); err != nil {
		return fmt.Errorf("%w: writing C0 and C1: %w", ErrHandshake, err)
	}
	var s [1 + 2*handshakeBytes]byte
	if _, err := io.ReadFull(rw, s[:]); err != nil {
		return fmt.Errorf("%w: reading S0 to S2: %w", ErrHandshake, err)
	}
	if s[0] != version {
		return fmt.Errorf("%w: the server speaks version %d", ErrHandshake, s[0])
	}
	if _, err := rw.Write(s[1 : 1+handshakeBytes]); err != nil {
		return fmt.Errorf("%w: writing C2: %w", ErrHandshake, err)
	}
	return nil
}

// hello fills b with the version, time 0, four zero bytes (which say that the handshake is the simple one) and random.
func hello(b []byte) {
	b[0] = version
	binary.BigEndian.PutUint64(b[1:], 0)
	_, _ = rand.Read(b[9:]) // never fails
}
