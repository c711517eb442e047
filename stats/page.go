package stats

import (
	"errors"
	"net/url"
	"strconv"
)

// defaultCount is how many rows a list has if the request does not say.
const defaultCount = 10

// page returns the part of list that a query asks for by start and count.
func page[T any](list []T, query url.Values) []T {
	list = list[min(intParam(query, "start", 0, 0), len(list)):]
	return list[:min(intParam(query, "count", defaultCount, 1), len(list))]
}

// intParam returns a parameter, or its default if it is missing or no number, but never less than least. One that is too
// large for an int is the largest.
func intParam(query url.Values, name string, otherwise, least int) int {
	n, err := strconv.Atoi(query.Get(name))
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return otherwise
	}
	return max(n, least)
}
