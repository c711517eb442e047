package hooks

import (
	"context"
	"errors"
	"sync"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// Backends are what webhooks have in common and what outlives configurations: where deliveries wait, which targets do
// not answer, and who has accepted which session, so that each is told of its end once. Keep them where the Hub is kept.
type Backends struct {
	// Identity is how payloads name this server.
	Identity Identity
	// Hub is where streams are looked up. It must be set.
	Hub *live.Hub
	// Fleeting is the outbox of webhooks with best effort, one in memory. It must be set.
	Fleeting *outbox.Outbox

	mu       sync.Mutex
	durable  *outbox.Outbox
	breakers map[string]*breaker // by target
	called   map[string]*calls   // likewise
	accepted map[string]*session // by id
}

// A session is what is remembered of one between the question whether it may begin and the news that it has ended.
type session struct {
	stream  string                    // the key of the order, which stays when the stream is renamed
	targets map[string]*outbox.Outbox // who has been asked and has not refused, and where the end is journalled
}

// SetDurable sets the outbox that survives a crash. Without one, all webhooks have best effort.
func (b *Backends) SetDurable(o *outbox.Outbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.durable = o
}

// outbox returns where a webhook's deliveries go.
func (b *Backends) outbox(bestEffort bool) *outbox.Outbox {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bestEffort || b.durable == nil {
		return b.Fleeting
	}
	return b.durable
}

// Outboxes returns the outboxes that there are, the durable one first.
func (b *Backends) Outboxes() []*outbox.Outbox {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.durable == nil {
		return []*outbox.Outbox{b.Fleeting}
	}
	return []*outbox.Outbox{b.durable, b.Fleeting}
}

// Serve makes the webhooks of a configuration those that deliver.
func (b *Backends) Serve(webhooks []*Webhook) {
	b.mu.Lock()
	durable := b.durable
	b.mu.Unlock()
	targets := make(map[*outbox.Outbox]map[string]outbox.Sender)
	for _, o := range []*outbox.Outbox{durable, b.Fleeting} {
		targets[o] = make(map[string]outbox.Sender)
	}
	for _, w := range webhooks {
		for _, t := range w.targets {
			targets[w.outbox()][t.name] = t
		}
	}
	for o, senders := range targets {
		if o != nil {
			o.SetTargets(senders)
		}
	}
}

// Close lets deliveries go out, until ctx is done, and closes the outboxes.
func (b *Backends) Close(ctx context.Context) error {
	b.mu.Lock()
	durable := b.durable
	b.durable = nil
	b.mu.Unlock()
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() { errs[0] = b.Fleeting.Close(ctx) })
	if durable != nil {
		wg.Go(func() { errs[1] = durable.Close(ctx) })
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// breaker returns that of a target.
func (b *Backends) breaker(target string) *breaker {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.breakers == nil {
		b.breakers = make(map[string]*breaker)
	}
	if b.breakers[target] == nil {
		b.breakers[target] = new(breaker)
	}
	return b.breakers[target]
}

// begin notes that a target is about to be asked, or has been told, that a session begins, and that end is what it is
// owed: it is delivered at the next start if the process dies before.
func (b *Backends) begin(o *outbox.Outbox, id string, end *outbox.Delivery) error {
	b.mu.Lock()
	if b.accepted == nil {
		b.accepted = make(map[string]*session)
	}
	s := b.accepted[id]
	if s == nil {
		s = &session{stream: end.Stream, targets: make(map[string]*outbox.Outbox)}
		b.accepted[id] = s
	}
	s.targets[end.Target] = o
	b.mu.Unlock()
	return o.Begin(journalKey(id, end.Target), *end)
}

// owes tells whether a target is owed the end of a session, and the key of the order that it began with.
func (b *Backends) owes(id, target string) (stream string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.accepted[id]
	if s == nil || s.targets[target] == nil {
		return "", false
	}
	return s.stream, true
}

// end tells a target that a session has ended, and forgets that it was owed that.
func (b *Backends) end(o *outbox.Outbox, id string, d *outbox.Delivery) error {
	b.mu.Lock()
	if s := b.accepted[id]; s != nil {
		if journal := s.targets[d.Target]; journal != nil {
			o = journal
		}
		delete(s.targets, d.Target)
	}
	b.mu.Unlock()
	return o.End(journalKey(id, d.Target), *d)
}

// Forget forgets a session, of which nobody is to be told any more: because a guard has refused it after others had
// accepted, or because all were told of its end. Call it after the observers.
func (b *Backends) Forget(id string) error {
	b.mu.Lock()
	s := b.accepted[id]
	delete(b.accepted, id)
	b.mu.Unlock()
	if s == nil {
		return nil
	}
	var errs []error
	for target, o := range s.targets {
		errs = append(errs, o.End(journalKey(id, target)))
	}
	return errors.Join(errs...)
}

// journalKey names what a target is owed for a session.
func journalKey(id, target string) string { return id + " " + target }
