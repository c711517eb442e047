// Package hooks decides who may publish and play, and tells others what has happened. Its guards are live.Guards and its
// observers live.Observers, so they work for every protocol and without Caddy.
package hooks
