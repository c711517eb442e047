// Package stats reads what the stream core has counted and shows it: as rates, and as an HTTP API of SRS's shape. It
// never counts anything itself.
//
//   - [API] is the HTTP API, a plain http.Handler over a [live.Hub].
//   - [Rates] samples a hub and tells how fast bytes flow.
//   - [Metrics] is what Prometheus is told, and [Events] is what happens, as server-sent events.
//   - [System] measures the process and the machine.
//
// The API and Metrics belong to one configuration; Rates, System, Events and the Others of the metrics are made once, kept
// beside the hub and outlive configurations.
//
// Paths, keys, their order, their types and the error codes are those of SRS 7 and 8, so that its console and the
// dashboards written for it work unchanged. Keys that SRS does not have stand at the end of their object. openapi.json
// describes all of it, and what other packages serve beside it.
package stats
