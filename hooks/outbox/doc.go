// Package outbox tells other systems what has happened, and does not forget: deliveries survive a crash of the process,
// are tried again until they arrive or expire, and arrive in order for each stream. It knows nothing of what it delivers
// or how: a Delivery is a body for a target, a Sender makes one attempt.
//
// # Guarantees
//
// A delivery arrives at least once, with the same ID each time, unless it expires, is refused for good or pushed out of
// a full outbox; then it is a dead letter or counted as dropped. What Put has returned for survives the death of the
// process; a power failure may cost what came in the last second, and no more. No call waits for a disk to have written.
//
// Deliveries to one target arrive in the order of Put for each Stream; those of different viewers of a stream, which
// have no order of their own, may overtake each other. Targets and streams do not wait for each other.
package outbox
