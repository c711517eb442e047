package live

import (
	"errors"
	"fmt"
	"io"
)

// The reasons for which a session is refused. They come wrapped in a [Refusal], whose description may be shown to the
// client.
var (
	ErrName         = errors.New("name not allowed")
	ErrApp          = errors.New("no such app")
	ErrBusy         = errors.New("stream already has a publisher")
	ErrNotFound     = errors.New("stream not found")
	ErrDenied       = errors.New("not allowed")
	ErrUnauthorized = errors.New("not authenticated")
	ErrGuard        = errors.New("could not be decided")
	ErrBanned       = fmt.Errorf("%w: banned", ErrDenied)
)

// The reasons for which a session is ended from this side.
var (
	ErrKicked   = errors.New("kicked")
	ErrReplaced = errors.New("replaced by a new publisher")
	ErrClosing  = errors.New("server is shutting down")
	ErrRemoved  = errors.New("app removed by a new configuration")
	ErrSlow     = errors.New("viewer too slow")
	ErrIdle     = errors.New("publisher silent for too long")

	ErrUnwatched = errors.New("nobody has watched the stream for too long")
	ErrEnded     = errors.New("stream ended") // a viewer's, whose publisher has left
	ErrExpired   = errors.New("permission expired")
	ErrReloaded  = errors.New("closed for a new configuration")
)

// A Refusal says why a session was refused. Kind is one of this package's errors, so that a protocol can choose its
// status; Description is for the client's eyes, so it says what to do and holds no secret.
type Refusal struct {
	Kind        error
	Description string
	// Challenge is how a client of HTTP is asked to authenticate, as in WWW-Authenticate (RFC 9110, 11.6.1). Empty leaves
	// it to the protocol.
	Challenge string
}

// Refuse returns a Refusal with a formatted description.
func Refuse(kind error, format string, args ...any) error {
	return &Refusal{Kind: kind, Description: fmt.Sprintf(format, args...)}
}

// Error returns the kind and the description.
func (r *Refusal) Error() string { return r.Kind.Error() + ": " + r.Description }

// Unwrap returns the kind.
func (r *Refusal) Unwrap() error { return r.Kind }

// Description returns what a client may be told of err: the description of a Refusal, else the text of a reason of this
// package, else a general sentence, so that nothing internal leaks.
func Description(err error) string {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Description
	}
	for _, known := range []error{ErrKicked, ErrReplaced, ErrClosing, ErrRemoved, ErrSlow, ErrIdle, ErrEnded, ErrExpired, ErrUnwatched, ErrReloaded} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "the server could not serve this request"
}

// reasons are the words for the reasons of this package, which never change: programs compare them.
var reasons = []struct {
	err  error
	word string
}{
	{ErrName, "name"},
	{ErrApp, "app"},
	{ErrBusy, "busy"},
	{ErrNotFound, "not_found"},
	{ErrBanned, "banned"}, // which is ErrDenied too
	{ErrDenied, "denied"},
	{ErrUnauthorized, "unauthorized"},
	{ErrGuard, "undecided"},
	{ErrKicked, "kicked"},
	{ErrReplaced, "replaced"},
	{ErrClosing, "shutdown"},
	{ErrRemoved, "app_removed"},
	{ErrSlow, "slow"},
	{ErrIdle, "idle"},
	{ErrUnwatched, "unwatched"},
	{ErrEnded, "ended"},
	{ErrExpired, "expired"},
	{ErrReloaded, "reloaded"},
}

// Reason returns one word for why a session was refused or has ended: "left" for a peer that left as it should, and
// "failed" for what is no reason of this package, such as a connection that broke. There is a bounded number of words.
func Reason(err error) string {
	if err == nil || errors.Is(err, io.EOF) {
		return "left"
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return "failed"
}
