package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// A devtools drives a Chromium by the DevTools protocol, over the pipes of --remote-debugging-pipe: JSON messages with a
// zero byte behind each. They need no port, and Chromium ends with them. The protocol is all that the tests want of it,
// so it takes no library.
type devtools struct {
	in, out *os.File
	done    chan struct{} // closed when no more answers come

	mu      sync.Mutex
	last    int
	waiting map[int]chan<- *cdpMessage
	hear    map[string]func(method string, params json.RawMessage) // events of the sessions
}

// A cdpMessage is a command, its answer, or an event.
type cdpMessage struct {
	ID      int             `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// newDevtools returns the protocol's one end, and the files that the browser must be given as its descriptors 3 and 4.
func newDevtools() (d *devtools, theirs []*os.File, err error) {
	commands, in, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	out, answers, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, commands.Close(), in.Close())
	}
	return &devtools{
		in: in, out: out, done: make(chan struct{}),
		waiting: make(map[int]chan<- *cdpMessage),
		hear:    make(map[string]func(string, json.RawMessage)),
	}, []*os.File{commands, answers}, nil
}

// run reads answers and events until the browser has ended.
func (d *devtools) run() {
	defer close(d.done)
	r := bufio.NewReader(d.out)
	for {
		b, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m cdpMessage
		if json.Unmarshal(b[:len(b)-1], &m) == nil {
			d.dispatch(&m)
		}
	}
}

func (d *devtools) dispatch(m *cdpMessage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m.ID == 0 {
		if hear := d.hear[m.Session]; hear != nil {
			hear(m.Method, m.Params)
		}
		return
	}
	if answer := d.waiting[m.ID]; answer != nil {
		answer <- m // has room for it
		delete(d.waiting, m.ID)
	}
}

// listen lets hear be told the events of a session, one after the other, until it is nil. It must not block or call.
func (d *devtools) listen(session string, hear func(method string, params json.RawMessage)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if hear == nil {
		delete(d.hear, session)
		return
	}
	d.hear[session] = hear
}

// call sends a command to a session, or to the browser if that is empty, and decodes the answer into result if it is not nil.
func (d *devtools) call(ctx context.Context, session, method string, params, result any) error {
	answer := make(chan *cdpMessage, 1)
	if err := d.send(answer, session, method, params); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-d.done:
		return fmt.Errorf("%s: Chromium has ended: %w", method, io.ErrUnexpectedEOF)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

func (d *devtools) send(answer chan<- *cdpMessage, session, method string, params any) error {
	b, err := json.Marshal(params)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	if b, err = json.Marshal(&cdpMessage{ID: d.last, Method: method, Session: session, Params: b}); err != nil {
		return err
	}
	d.waiting[d.last] = answer
	_, err = d.in.Write(append(b, 0)) // Chromium reads at all times
	return err
}
