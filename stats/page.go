package stats

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
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

// asks tells whether a query asks for one of the given values, or does not care.
func asks(query url.Values, name string, values ...string) bool {
	wanted := query[name]
	return len(wanted) == 0 || slices.ContainsFunc(values, func(v string) bool { return slices.Contains(wanted, v) })
}

// A rank is by what rows are sorted: numbers before texts.
type rank struct {
	number float64
	text   string
}

func byNumber[N int | int64 | float64](n N) rank { return rank{number: float64(n)} }

func byText(s string) rank { return rank{text: s} }

func (r rank) compare(s rank) int {
	return cmp.Or(cmp.Compare(r.number, s.number), cmp.Compare(r.text, s.text))
}

// ranks are what a list may be sorted by.
type ranks[T any] map[string]func(T) rank

// arrange sorts list as a query asks for by ?sort=, with a minus before it in descending order. Rows that are equal stay as
// they are. Each row is asked once, so that figures that change meanwhile make no disorder.
func (by ranks[T]) arrange(list []T, query url.Values) error {
	name, descending := strings.CutPrefix(query.Get("sort"), "-")
	if name == "" {
		return nil
	}
	of, ok := by[name]
	if !ok {
		return codeParameter
	}
	type ranked struct {
		rank
		row T
	}
	rows := make([]ranked, len(list))
	for i, row := range list {
		rows[i] = ranked{of(row), row}
	}
	slices.SortStableFunc(rows, func(a, b ranked) int {
		if descending {
			a, b = b, a
		}
		return a.compare(b.rank)
	})
	for i := range rows {
		list[i] = rows[i].row
	}
	return nil
}
