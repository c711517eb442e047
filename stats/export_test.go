package stats

import (
	"cmp"
	"maps"
	"slices"
)

// Paths returns the paths of documents and lists, as openapi.json has them.
func Paths() []string {
	var paths []string
	for path := range documents {
		if path != "/api/v1/tests/redirects" { // which has no body
			paths = append(paths, cmp.Or(path, "/"))
		}
	}
	for path := range collections {
		paths = append(paths, path)
	}
	return paths
}

// Ranks returns by what each list can be sorted.
func Ranks() map[string][]string {
	a := new(API)
	return map[string][]string{
		"clients": slices.Collect(maps.Keys(a.view().clientRanks())),
		"streams": slices.Collect(maps.Keys(a.view().streamRanks())),
		"vhosts":  slices.Collect(maps.Keys(a.vhostRanks())),
	}
}

// Look has rates look at their hub now.
func (r *Rates) Look() { r.look() }
