package stats

import "net/http"

// CORS lets web pages of other origins read the answer, if r comes from one: it sets the headers, and answers r if it is
// an OPTIONS request, which it reports. Who authenticates in front of an API calls it first, since a preflight carries no
// credentials and a refusal should be readable too. It may be called twice.
//
// No page gains anything from a browser's own credentials, which are not allowed here; it must bring a token.
func CORS(w http.ResponseWriter, r *http.Request) (answered bool) {
	h := w.Header()
	h.Set("Vary", "Origin")
	if r.Header.Get("Origin") != "" {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type") // "*" would not cover Authorization
		h.Set("Access-Control-Expose-Headers", "Location, *")
		h.Set("Access-Control-Allow-Credentials", "false")
		if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
			h.Set("Access-Control-Allow-Private-Network", "true")
		}
	}
	if r.Method != http.MethodOptions {
		return false
	}
	w.WriteHeader(http.StatusOK) // as SRS; 204 would do as well
	return true
}
