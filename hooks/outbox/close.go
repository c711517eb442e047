package outbox

import (
	"context"
	"fmt"
)

// Close lets deliveries go out until there is none left that can be tried now, or ctx is done. Then it ends attempts
// under way, and writes all to disk. What is left is delivered when the outbox is opened next.
func (o *Outbox) Close(ctx context.Context) error {
	o.mu.Lock()
	if o.closing {
		o.mu.Unlock()
		return nil
	}
	o.closing = true
	idle := make(chan struct{})
	o.idle = idle
	o.checkIdle()
	o.mu.Unlock()

	select {
	case <-idle:
	case <-ctx.Done():
	}
	o.cancel()
	o.mu.Lock()
	o.stopTimers()
	o.mu.Unlock()
	o.attempts.Wait()
	if o.store == nil {
		return nil
	}
	if err := o.store.close(); err != nil {
		return fmt.Errorf("closing the outbox %s: %w", o.options.Path, err)
	}
	return nil
}

// checkIdle wakes Close when nothing is under way. o.mu must be held.
func (o *Outbox) checkIdle() {
	if o.idle == nil || o.busy > 0 {
		return
	}
	for _, t := range o.targets {
		if t.sender != nil && len(t.ready) > 0 {
			return
		}
	}
	close(o.idle)
	o.idle = nil
}

// stopTimers ends all that waits. o.mu must be held.
func (o *Outbox) stopTimers() {
	if o.sweeper != nil {
		o.sweeper.Stop()
	}
	for _, t := range o.targets {
		for _, l := range t.lanes {
			for _, s := range l.stages {
				for _, q := range s.queues {
					q.stop()
				}
			}
		}
	}
}
