// Package stats reads what the stream core has counted and shows it: as rates, and as an HTTP API of SRS's shape. It
// never counts anything itself.
//
//   - [API] is the HTTP API, a plain http.Handler over a [live.Hub].
//   - [Rates] samples a hub and tells how fast bytes flow.
//   - [System] measures the process and the machine.
//
// The API belongs to one configuration; Rates and System are made once, kept beside the hub and outlive configurations.
//
// Paths, keys, their order, their types and the error codes are those of SRS 7 and 8, so that its console and the
// dashboards written for it work unchanged. Keys that SRS does not have stand at the end of their object. openapi.json
// describes all of it, and what other packages serve beside it.
package stats
