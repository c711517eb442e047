// Package apitest compares answers of the HTTP API with its description, openapi.json, for the tests of all who serve a
// part of it.
package apitest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/caddy-rtmp/caddy-rtmp/stats"
)

// A Description is openapi.json, with a memory of what was compared with it.
type Description struct {
	// Paths are the described operations by path and method, which is in lower case.
	Paths map[string]map[string]Operation

	compiler *jsonschema.Compiler
	seen     map[string]bool // "get /api/v1"
}

// An Operation is what tests read of one.
type Operation struct {
	Parameters []struct {
		Name   string
		Schema struct{ Enum []string }
	}
	Responses map[string]struct{}
}

// Describe returns the description.
func Describe(t testing.TB) *Description {
	t.Helper()
	d := &Description{compiler: jsonschema.NewCompiler(), seen: make(map[string]bool)}
	if err := json.Unmarshal(stats.OpenAPI, d); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(stats.OpenAPI))
	if err != nil {
		t.Fatal(err)
	}
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return d
}

// Check fails the test if the body is not one that the operation of a method and path may answer with and that status.
func (d *Description) Check(t testing.TB, method, path, status string, body []byte) {
	t.Helper()
	method = strings.ToLower(method)
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace
	d.compare(t, "paths/"+escape(path)+"/"+method+"/responses/"+status+"/content/application~1json/schema", body)
	d.seen[method+" "+path] = true
}

// CheckSchema fails the test if the body is not what the schema of a name describes.
func (d *Description) CheckSchema(t testing.TB, name string, body []byte) {
	t.Helper()
	d.compare(t, "components/schemas/"+name, body)
}

// compare compares a body with the schema at a place of the description.
func (d *Description) compare(t testing.TB, place string, body []byte) {
	t.Helper()
	schema, err := d.compiler.Compile("openapi.json#/" + place)
	if err != nil {
		t.Fatalf("%s: %v", place, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", place, err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s: %v\n%s", place, err, body)
	}
}

// Complete fails the test if an operation with a body, the path of which begins with prefix, was never compared
// with an answer. Those that begin with one of others are somebody else's.
func (d *Description) Complete(t testing.TB, prefix string, others ...string) {
	t.Helper()
	for path, operations := range d.Paths {
		if !strings.HasPrefix(path, prefix) || hasPrefix(path, others) {
			continue
		}
		for method, op := range operations {
			if _, answers := op.Responses["200"]; answers && !d.seen[method+" "+path] {
				t.Errorf("%s %s is described, but nobody has asked for it", method, path)
			}
		}
	}
}

func hasPrefix(path string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// SortFields returns what a list may be sorted by.
func (d *Description) SortFields(t testing.TB, path string) []string {
	t.Helper()
	for _, p := range d.Paths[path]["get"].Parameters {
		if p.Name == "sort" {
			return p.Schema.Enum
		}
	}
	t.Fatalf("%s cannot be sorted", path)
	return nil
}
