package outbox

import (
	"maps"
	"slices"
	"strings"
)

// Calls returns what a Handler knows, as "GET /deliveries/{id}".
func Calls() []string {
	list := slices.Sorted(maps.Keys(calls))
	for i, call := range list {
		list[i] = strings.NewReplacer(" *", "/{id}", " replay", "/replay").Replace(strings.Replace(call, " ", " /", 1))
		list[i] = strings.TrimSuffix(list[i], "/") // the index is at the root itself
	}
	return list
}
