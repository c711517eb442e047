package hooks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// maxAnswerBytes bounds the body of an answer. What is longer is no answer.
const maxAnswerBytes = 64 << 10

// maxMessageRunes bounds what a client is told of a refusal.
const maxMessageRunes = 200

// errLongAnswer is the error for a body beyond maxAnswerBytes.
var errLongAnswer = fmt.Errorf("the answer is longer than %d KiB", maxAnswerBytes>>10)

// A reply is what a back end has answered.
type reply struct {
	status int
	body   []byte
	header http.Header
}

// answerBody is the object that a back end answers with: SRS's code and msg, and what is ours: for how many seconds the
// session may last, the name that the stream gets instead, who the client is, and a remark for the API. Back ends that
// were made for SRS may have members of any type by these names, so what is no text is passed over.
type answerBody struct {
	Code       json.RawMessage `json:"code"`
	Msg        any             `json:"msg"`
	ExpiresIn  json.RawMessage `json:"expires_in"`
	StreamName any             `json:"stream_name"`
	User       any             `json:"user"`
	Note       any             `json:"note"`
}

// judge returns what an answer grants. The error is a live.Refusal if the back end refuses: by whatever is not the
// acceptance that SRS knows, which is a status of 200 or 201 and a body that is 0 or an object with the code 0. Any other
// error means that it could not decide, as it says itself by a status of 408, 429 or 5xx.
func (a *reply) judge() (live.Grant, error) {
	if a.status >= 500 || a.status == http.StatusRequestTimeout || a.status == http.StatusTooManyRequests {
		return live.Grant{}, fmt.Errorf("the answer has the status %d", a.status)
	}
	text := bytes.TrimSpace(a.body)
	var body answerBody
	parseErr := json.Unmarshal(text, &body)
	var reason string
	switch {
	case a.status != http.StatusOK && a.status != http.StatusCreated:
		reason = fmt.Sprintf("the answer has the status %d, not 200 or 201", a.status)
	case string(text) == "0":
		return live.Grant{}, nil
	case len(text) == 0:
		reason = "the answer is empty"
	case text[0] != '{':
		reason = "the answer is neither 0 nor an object with the code 0"
	case parseErr != nil:
		reason = "the answer is no JSON that can be read: " + parseErr.Error()
	case body.Code == nil:
		reason = "the answer has no code"
	case string(body.Code) != "0":
		reason = fmt.Sprintf("the answer has the code %.20s, not the number 0", body.Code)
	default:
		return body.grant()
	}
	return live.Grant{}, a.refusal(&body, reason)
}

func (b *answerBody) grant() (live.Grant, error) {
	g := live.Grant{User: printable(b.User), Note: printable(b.Note)}
	g.Stream, _ = b.StreamName.(string)
	if len(b.ExpiresIn) == 0 || string(b.ExpiresIn) == "null" {
		return g, nil
	}
	// Whoever limits a session and is not understood has not permitted an unlimited one.
	var seconds float64
	if err := json.Unmarshal(b.ExpiresIn, &seconds); err != nil || seconds <= 0 {
		return live.Grant{}, fmt.Errorf("the answer accepts, but its expires_in is %.20s, not a positive number of seconds", b.ExpiresIn)
	}
	if seconds < maxExpiresIn {
		g.Expires = time.Now().Add(time.Duration(seconds * float64(time.Second)))
	}
	return g, nil
}

// maxExpiresIn is where a number of seconds stands for ever.
const maxExpiresIn = 100 * 365 * 24 * 3600

// refusal returns the refusal that an answer is: reason is for the log, the back end's own words for the client.
func (a *reply) refusal(body *answerBody, reason string) error {
	kind := live.ErrDenied
	if code := string(body.Code); a.status == http.StatusUnauthorized || code == "401" {
		kind = live.ErrUnauthorized
	}
	message := printable(body.Msg)
	if message == "" {
		message = "the operator's back end does not allow it"
	}
	return fmt.Errorf("%s: %w", reason, live.Refuse(kind, "%s", message))
}

// printable returns one bounded line that is safe to show of a text, nothing of what is none.
func printable(text any) string {
	s, _ := text.(string)
	s = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case !unicode.IsPrint(c):
			return -1
		}
		return c
	}, strings.ToValidUTF8(s[:min(len(s), 4*maxMessageRunes)], ""))
	s = strings.TrimSpace(s)
	if runes := []rune(s); len(runes) > maxMessageRunes {
		return string(runes[:maxMessageRunes-1]) + "…"
	}
	return s
}
