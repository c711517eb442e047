package caddymodule_test

import (
	"encoding/base64"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/golang-jwt/jwt/v5"
)

func init() {
	caddy.RegisterModule(new(jwtPlugin))
	httpcaddyfile.RegisterHandlerDirective("jwtauth", parseJWTAuth)
}

// A jwtPlugin stands for a plugin that verifies JSON Web Tokens: it has the module name, the directive and the options of
// github.com/ggicci/caddy-jwt that the examples use.
type jwtPlugin struct {
	SignKey    string   `json:"sign_key,omitempty"`
	FromQuery  []string `json:"from_query,omitempty"`
	UserClaims []string `json:"user_claims,omitempty"`

	key []byte
}

func (*jwtPlugin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.authentication.providers.jwt", New: func() caddy.Module { return new(jwtPlugin) }}
}

func (p *jwtPlugin) Provision(caddy.Context) (err error) {
	p.key, err = base64.StdEncoding.DecodeString(p.SignKey)
	return err
}

func (p *jwtPlugin) Authenticate(_ http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, name := range p.FromQuery {
		if given := r.URL.Query().Get(name); given != "" {
			token = given
		}
	}
	claims := make(jwt.MapClaims)
	_, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return p.key, nil }, jwt.WithValidMethods([]string{"HS256"}))
	for _, name := range p.UserClaims {
		if user, ok := claims[name].(string); ok && err == nil {
			return caddyauth.User{ID: user}, true, nil
		}
	}
	return caddyauth.User{}, false, err
}

func parseJWTAuth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	p := new(jwtPlugin)
	for h.NextBlock(0) {
		switch h.Val() {
		case "sign_key":
			if !h.AllArgs(&p.SignKey) {
				return nil, h.ArgErr()
			}
		case "from_query":
			p.FromQuery = h.RemainingArgs()
		case "user_claims":
			p.UserClaims = h.RemainingArgs()
		default:
			return nil, h.Errf("unknown option %s", h.Val())
		}
	}
	return caddyauth.Authentication{ProvidersRaw: caddy.ModuleMap{"jwt": caddyconfig.JSON(p, nil)}}, nil
}

// TestAPIByJWT runs the examples that want a plugin for JSON Web Tokens, without TLS: as an authentication provider, and as
// a directive of the site.
func TestAPIByJWT(t *testing.T) {
	key := []byte("a key of tests, of 32 bytes.....")
	t.Setenv("JWT_KEY", base64.StdEncoding.EncodeToString(key))
	sign := func(claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
		must(err)
		return token
	}
	good := sign(jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()})
	late := sign(jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(-time.Hour).Unix()})
	for _, name := range []string{"provider", "by-site-jwt"} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			example, err := os.ReadFile("../examples/api-auth/" + name + ".Caddyfile")
			must(err)
			b.load(strings.NewReplacer(
				"\tskip_install_trust\n", "$OPTIONS", "{$RTMP_PORT:1935}", "$RTMP", "{$HTTP_PORT:8080}", "$HTTP",
				"\thttps_port {$HTTPS_PORT:8443}\n", "", "{$RTMPS_PORT:1936}", "$RTMPS", "\t\t\ttls localhost\n", "",
				"https://localhost", "http://localhost:$HTTP",
			).Replace(string(example)))
			for _, c := range []call{
				{streamsPath, "", 401},
				{streamsPath, "Authorization: Bearer " + good, 200},
				{streamsPath, "Authorization: Bearer " + good + "\nOrigin: https://console.example.com\nSec-Fetch-Site: cross-site", 200},
				{streamsPath, "Authorization: Bearer " + late, 401},
				{streamsPath, "Authorization: Bearer " + good + "x", 401},
				{streamsPath + "?token=" + good, "", 200},
				{streamsPath + "?token=" + late, "", 401},
				{streamsPath + "?callback=f&token=" + good, "Sec-Fetch-Site: cross-site", 200},
				{streamsPath + "?callback=f", "Sec-Fetch-Site: cross-site", 401},
				{"/other", "", 404},
			} {
				if resp := b.do(http.MethodGet, c); resp.StatusCode != c.want {
					t.Errorf("GET %.40s with %.40q: %s, want %d", c.url, c.header, resp.Status, c.want)
				}
			}
			resp := b.do(http.MethodOptions, call{url: streamsPath, header: "Origin: https://console.example.com\nAccess-Control-Request-Method: DELETE"})
			if resp.StatusCode != http.StatusOK || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("a preflight is answered %s", resp.Status)
			}
			resp = b.do(http.MethodDelete, call{url: "/api/v1/clients/nobody99", header: "Authorization: Bearer " + good})
			if _, body := text(t, resp); body != `{"code":2049}` {
				t.Errorf("a kick is answered %s", body)
			}
		})
	}
}
