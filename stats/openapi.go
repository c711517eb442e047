package stats

import (
	_ "embed"
	"encoding/json"
)

// OpenAPI is the description of the whole API, of what other handlers serve below /api/v1/ too, as OpenAPI 3.1.
//
//go:embed openapi.json
var OpenAPI []byte

func (a *API) openAPI(*request) (any, error) { return json.RawMessage(OpenAPI), nil }
