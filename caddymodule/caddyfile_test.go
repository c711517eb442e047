package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-rtmp/caddy-rtmp/caddymodule"
)

// update writes what the adapter makes of the Caddyfiles into testdata. Read the difference before you commit it.
var update = flag.Bool("update", false, "rewrite testdata/*.caddyfiletest")

// separator stands between Caddyfile and JSON.
const separator = "----------\n"

// adapt returns the JSON of a Caddyfile, and fails the test if it cannot be adapted or is not formatted.
func adapt(t *testing.T, text string) []byte {
	t.Helper()
	result, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatalf("adapt: %v\n%s", err, text)
	}
	for _, w := range warnings {
		t.Errorf("adapt: %s\n%s", w, text)
	}
	return result
}

// TestAdapt compares the JSON of each Caddyfile in testdata with the one that it is to give.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no Caddyfiles: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text, want, _ := strings.Cut(strings.ReplaceAll(string(content), "\r\n", "\n"), separator)
			var got bytes.Buffer
			if err := json.Indent(&got, adapt(t, text), "", "\t"); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			if *update {
				if err := os.WriteFile(file, []byte(text+separator+got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.String() != want {
				t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
			}
		})
	}
}

// needed are variables of the environment without which examples do not load.
var needed = map[string]string{"API_USER": "alice", "API_HASH": hash, "LOGIN": "http://127.0.0.1:9091", "JWT_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}

// TestOurCaddyfiles adapts the Caddyfiles that users are given.
func TestOurCaddyfiles(t *testing.T) {
	files, err := filepath.Glob("../examples/*/Caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	kinds, err := filepath.Glob("../examples/*/*.Caddyfile")
	if err != nil || len(kinds) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for name, value := range needed {
		t.Setenv(name, value)
	}
	for _, file := range append(append(files, kinds...), "../Caddyfile.example") {
		t.Run(file, func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var config struct{ Apps map[string]json.RawMessage }
			if err := json.Unmarshal(adapt(t, string(content)), &config); err != nil {
				t.Fatal(err)
			}
			if config.Apps["rtmp"] == nil || config.Apps["http"] == nil {
				t.Error("there is no rtmp or no http app in it")
			}
			var whole *caddy.Config
			if err := json.Unmarshal(adapt(t, string(content)), &whole); err != nil {
				t.Fatal(err)
			}
			if err := caddy.Validate(whole); err != nil {
				t.Errorf("validate: %v", err)
			}
			if formatted := caddyfile.Format(content); !bytes.Equal(formatted, content) {
				t.Error("it is not formatted as by caddy fmt")
			}
		})
	}
}

// inApp, inServer and inSite put lines into a Caddyfile: the first of them on line 4, 4 and 5.
func inApp(lines string) string { return "{\n\trtmp {\n\t\tapp live {\n" + lines + "\n\t\t}\n\t}\n}\n" }

func inServer(lines string) string {
	return "{\n\trtmp {\n\t\tserver :1935 {\n" + lines + "\n\t\t}\n\t}\n}\n"
}
func inSite(lines string) string { return "{\n\trtmp\n}\nhttp://example.com {\n" + lines + "\n}\n" }
func inRTMP(lines string) string { return "{\n\n\trtmp {\n" + lines + "\n\t}\n}\n" }

// TestAdaptErrors checks that each mistake is refused with its file, its line and a hint.
func TestAdaptErrors(t *testing.T) {
	tests := map[string]struct {
		text string
		line string
		hint string
	}{
		"argument of rtmp":            {"{\n\trtmp live\n}\n", "2", "wrong argument count"},
		"vhost without a name":        {inRTMP("vhost {\n}"), "4", "a vhost needs a host name"},
		"vhost twice":                 {inRTMP("vhost a.example\nvhost a.example"), "5", `the vhost "a.example" is configured already`},
		"vhost that is a pattern":     {inRTMP("vhost *.example.com"), "4", "the first name of a vhost is its own"},
		"vhost with a port":           {inRTMP("vhost a.example b.example:1935"), "4", `"b.example:1935" is no host name`},
		"the default vhost":           {inRTMP("vhost __defaultVhost__"), "4", "outside of all vhosts"},
		"unknown vhost option":        {inRTMP("vhost a.example {\nserver :1935\n}"), "5", `unknown vhost option "server"`},
		"app twice in a vhost":        {inRTMP("vhost a.example {\napp live\napp live\n}"), "6", `the app "live" is configured already`},
		"mistake in a vhost's app":    {inRTMP("vhost a.example {\napp live {\nlatency high\n}\n}"), "6", "neither low, normal, dense nor a duration"},
		"handler of no vhost":         {inSite("rtmp_play {\nvhost\n}"), "6", "wrong argument count"},
		"unknown rtmp option":         {inRTMP("servers :1935"), "4", `unknown rtmp option "servers"`},
		"server without address":      {inRTMP("server"), "4", "needs an address"},
		"server off and another":      {inRTMP("server off\nserver :1935"), "5", "server off stands alone"},
		"server and off":              {inRTMP("server :1935\nserver off"), "5", "server off stands alone"},
		"server off with an address":  {inRTMP("server off :1935"), "4", "server off stands alone"},
		"server off with a block":     {inRTMP("server off {\ntls\n}"), "5", `unknown server off option "tls"`},
		"unknown server option":       {inServer("cert x"), "4", `unknown server option "cert"`},
		"unknown wrapper":             {inServer("listener_wrappers {\nnonsense\n}"), "5", "nonsense"},
		"app without name":            {inRTMP("app"), "4", "wrong argument count"},
		"app with two names":          {inRTMP("app live radio"), "4", "wrong argument count"},
		"app twice":                   {inRTMP("app live\napp live"), "5", `the app "live" is configured already`},
		"app in two blocks":           {"{\n\trtmp {\n\t\tapp live\n\t}\n\trtmp {\n\t\tapp live\n\t}\n}\n", "6", "configured already"},
		"unknown app option":          {inApp("latencies low"), "4", `unknown app option "latencies"`},
		"metrics argument":            {inRTMP("metrics on"), "4", "wrong argument count"},
		"metrics twice":               {inRTMP("metrics\nmetrics"), "5", "metrics stands twice"},
		"metrics unknown option":      {inRTMP("metrics {\nper_app 3\n}"), "5", `unknown metrics option "per_app"`},
		"metrics no number":           {inRTMP("metrics {\nper_stream all\n}"), "5", `"all" is no number of streams`},
		"metrics negative":            {inRTMP("metrics {\nper_stream -1\n}"), "5", "is no number of streams"},
		"shutdown_grace no duration":  {inRTMP("shutdown_grace soon"), "4", `"soon" is no duration`},
		"shutdown_grace missing":      {inRTMP("shutdown_grace"), "4", "wrong argument count"},
		"handshake_timeout surplus":   {inRTMP("handshake_timeout 1s 2s"), "4", "wrong argument count"},
		"connect_timeout zero":        {inRTMP("connect_timeout 0s"), "4", "is no duration"},
		"max_connections nothing":     {inRTMP("max_connections"), "4", "wrong argument count"},
		"max_connections surplus":     {inRTMP("max_connections 1 2 3 4"), "4", "wrong argument count"},
		"max_connections zero":        {inRTMP("max_connections 10 0"), "4", `"0" is neither a number of connections nor off`},
		"max_connections negative":    {inRTMP("max_connections -1"), "4", "neither a number of connections nor off"},
		"max_message no size":         {inRTMP("max_message big"), "4", `"big" is no size of a message`},
		"max_message off":             {inRTMP("max_message 64KiB off"), "4", `"off" is no size of a message`},
		"max_message too large":       {inRTMP("max_message 64KiB 17MiB"), "4", "up to 16MiB"},
		"max_message too small":       {inRTMP("max_message 10"), "4", "is no size of a message"},
		"max_chunk_streams too few":   {inRTMP("max_chunk_streams 3"), "4", `"3" is no number from 4 to 65599`},
		"max_amf depth":               {inRTMP("max_amf 1"), "4", "is no number from 2 to 1000"},
		"max_amf values":              {inRTMP("max_amf 16 many"), "4", "is no number from 16 to 1000000"},
		"max_amf with a block":        {inRTMP("max_amf 16 {\n}"), "4", ""},
		"write_timeout negative":      {inApp("write_timeout -1s"), "4", `"-1s" is no duration`},
		"idle_timeout without unit":   {inApp("idle_timeout 10"), "4", `"10" is no duration`},
		"first_packet_timeout":        {inApp("first_packet_timeout x"), "4", "is no duration"},
		"reconnect_window":            {inApp("reconnect_window x"), "4", "is no duration"},
		"wait":                        {inApp("wait never"), "4", "is no duration"},
		"wait surplus":                {inApp("wait 1s 2s"), "4", "wrong argument count"},
		"time_jitter unknown":         {inApp("time_jitter on"), "4", "neither full, zero nor off"},
		"latency unknown":             {inApp("latency lowest"), "4", "neither low, normal, dense nor a duration"},
		"latency too short":           {inApp("latency 10us"), "4", "is not between 1ms and 5s"},
		"latency too long":            {inApp("latency 6s"), "4", "is not between 1ms and 5s"},
		"latency with a block":        {inApp("latency low {\n}"), "4", ""},
		"on_conflict unknown":         {inApp("on_conflict kill"), "4", "neither auto, reject nor replace"},
		"on_conflict surplus":         {inApp("on_conflict auto reject"), "4", "wrong argument count"},
		"gop_cache without bound":     {inApp("gop_cache"), "4", "wrong argument count"},
		"gop_cache on":                {inApp("gop_cache on"), "4", `"on" is no duration`},
		"gop_cache bad size":          {inApp("gop_cache 10s big"), "4", `"big" is no size`},
		"gop_cache no size":           {inApp("gop_cache 10s 0"), "4", "is no size"},
		"gop_cache huge size":         {inApp("gop_cache 10s 9EB"), "4", "is no size"},
		"gop_cache off and more":      {inApp("gop_cache off 1MiB"), "4", "is no duration"},
		"lag surplus":                 {inApp("lag 1s 1MiB 1"), "4", "wrong argument count"},
		"hls argument":                {inApp("hls on"), "4", "wrong argument count"},
		"hls unknown":                 {inApp("hls {\nfragment 2s\n}"), "5", `unknown hls option "fragment"`},
		"hls window":                  {inApp("hls {\nwindow ten\n}"), "5", `"ten" is neither a number of segments nor a duration`},
		"hls window negative":         {inApp("hls {\nwindow -1\n}"), "5", "is neither a number of segments nor a duration"},
		"hls variants":                {inApp("hls {\nvariants ts mp4\n}"), "5", `"mp4" is neither ts, fmp4 nor ll`},
		"hls no variants":             {inApp("hls {\nvariants\n}"), "5", "wrong argument count"},
		"hls storage":                 {inApp("hls {\nstorage disk\n}"), "5", "memory, or disk and a folder"},
		"hls recover":                 {inApp("hls {\nstorage disk /srv {\nrecover maybe\n}\n}"), "6", "neither on nor off"},
		"hls rotate":                  {inApp("hls {\nencrypt {\nrotate 0\n}\n}"), "6", "is no number of segments"},
		"hls always on":               {inApp("hls {\nalways_on yes\n}"), "5", "wrong argument count"},
		"hls sessions":                {inApp("hls {\nsessions maybe\n}"), "5", `"maybe" is neither on, cache nor off`},
		"hls segment":                 {inApp("hls {\nsegment 0\n}"), "5", "is no duration"},
		"publish argument":            {inApp("publish all"), "4", "wrong argument count"},
		"publish twice":               {inApp("publish\npublish"), "5", "publish stands twice"},
		"play unknown":                {inApp("play {\nadmit all\n}"), "5", `unknown play option "admit"`},
		"allow nothing":               {inApp("play {\nallow\n}"), "5", "wrong argument count"},
		"allow a name":                {inApp("play {\nallow example.com\n}"), "5", "neither an address range"},
		"deny a bad range":            {inApp("play {\ndeny 10.0.0.0/33\n}"), "5", "neither an address range"},
		"match nothing":               {inApp("play {\nmatch\n}"), "5", "match needs a matcher"},
		"match unknown":               {inApp("play {\nmatch weather sunny\n}"), "5", "weather"},
		"authenticate nothing":        {inApp("publish {\nauthenticate\n}"), "5", "wrong argument count"},
		"authenticate unknown":        {inApp("publish {\nauthenticate magic\n}"), "5", "rtmp.authenticators.magic"},
		"token argument":              {inApp("publish {\nauthenticate token secret\n}"), "5", "wrong argument count"},
		"token unknown option":        {inApp("publish {\nauthenticate token {\npassword x\n}\n}"), "6", `unknown token option "password"`},
		"token without block":         {inApp("publish {\nauthenticate token\n}"), "5", "needs a secret"},
		"token of a name only":        {inApp("publish {\nauthenticate token {\nparam key\n}\n}"), "7", "needs a secret"},
		"api basic beside loopback":   {inSite("rtmp_api {\nauth loopback\nauth basic {\n}\n}"), "8", "a user and a password hash"},
		"token without secret":        {inApp("publish {\nauthenticate token {\nsecret\n}\n}"), "6", "wrong argument count"},
		"token with two params":       {inApp("publish {\nauthenticate token {\nparam a b\n}\n}"), "6", "wrong argument count"},
		"token key without secret":    {inApp("publish {\nauthenticate token {\nkey cam1\n}\n}"), "6", "a key is a stream and its secrets"},
		"token key of no pattern":     {inApp("publish {\nauthenticate token {\nkey cam[ x\n}\n}"), "6", "syntax error in pattern"},
		"token with an empty param":   {inApp("publish {\nauthenticate token {\nparam \"\"\n}\n}"), "6", "wrong argument count"},
		"jwt without key":             {inApp("play {\nauthenticate jwt {\nparam x\n}\n}"), "7", "needs a secret, a public_key or a jwks"},
		"jwt claim of nothing":        {inApp("play {\nauthenticate jwt {\nclaim color red\n}\n}"), "6", "a claim is one of"},
		"jwt claim surplus":           {inApp("play {\nauthenticate jwt {\nclaim app x required\n}\n}"), "6", "a claim is one of"},
		"jwt jwks twice":              {inApp("play {\nauthenticate jwt {\njwks https://a\njwks https://b\n}\n}"), "7", "jwks stands twice"},
		"jwt jwks option":             {inApp("play {\nauthenticate jwt {\njwks https://a {\nevery 1h\n}\n}\n}"), "7", `unknown jwks option "every"`},
		"jwt on_expiry":               {inApp("play {\nauthenticate jwt {\non_expiry kill\n}\n}"), "6", "neither end nor keep"},
		"jwt argument":                {inApp("play {\nauthenticate jwt x\n}"), "5", "wrong argument count"},
		"signed_url without secret":   {inApp("play {\nauthenticate signed_url\n}"), "5", "needs a secret"},
		"signed_url option":           {inApp("play {\nauthenticate signed_url {\nkey x\n}\n}"), "6", `unknown signed_url option "key"`},
		"basic without account":       {inApp("play {\nauthenticate basic\n}"), "5", "a user and a password hash"},
		"forward of nothing":          {inApp("play {\nauthenticate forward\n}"), "5", "needs the URL to ask"},
		"forward surplus":             {inApp("play {\nauthenticate forward https://a https://b\n}"), "5", "wrong argument count"},
		"forward option":              {inApp("play {\nauthenticate forward https://a {\ncopy_headers x\n}\n}"), "6", `unknown forward option "copy_headers"`},
		"provider of nothing":         {inApp("play {\nauthenticate provider\n}"), "5", "wrong argument count"},
		"provider unknown":            {inApp("play {\nauthenticate provider magic\n}"), "5", "http.authentication.providers.magic"},
		"referer of nothing":          {inApp("play {\nreferer\n}"), "5", "wrong argument count"},
		"referer that is a URL":       {inApp("play {\nreferer https://example.com\n}"), "5", "is no domain"},
		"referer in upper case":       {inApp("play {\nreferer Example.com\n}"), "5", "is no domain"},
		"on_reload of nothing":        {"{\nrtmp {\non_reload\n}\n}\n", "3", "on_reload is keep, reauthorize or close"},
		"on_reload unknown":           {"{\nrtmp {\non_reload drop\n}\n}\n", "3", "neither keep, reauthorize nor close"},
		"on_reload close at once":     {"{\nrtmp {\non_reload close\n}\n}\n", "3", "on_reload close 30s"},
		"on_reload keep for a while":  {"{\nrtmp {\non_reload keep 30s\n}\n}\n", "3", "on_reload is keep"},
		"flv unknown option":          {inSite("rtmp_flv {\nwait 5s\n}"), "6", `unknown rtmp_flv option "wait"`},
		"flv surplus argument":        {inSite("rtmp_flv /a /b"), "5", "wrong argument count"},
		"ts app without name":         {inSite("rtmp_ts {\napp\n}"), "6", "wrong argument count"},
		"hls surplus argument":        {inSite("rtmp_hls /a /b"), "5", "wrong argument count"},
		"play unknown option of site": {inSite("rtmp_play {\napps live\n}"), "6", `unknown rtmp_play option "apps"`},
		"play surplus argument":       {inSite("rtmp_play /a /b"), "5", "wrong argument count"},
		"api without block":           {inSite("rtmp_api"), "5", "rtmp_api needs an auth"},
		"api with empty block":        {inSite("rtmp_api {\n}"), "6", "rtmp_api needs an auth"},
		"api unknown option":          {inSite("rtmp_api {\nallow all\n}"), "6", `unknown rtmp_api option "allow"`},
		"api unknown auth":            {inSite("rtmp_api {\nauth none\n}"), "6", `unknown auth "none"`},
		"api auth of nothing":         {inSite("rtmp_api {\nauth\n}"), "6", "wrong argument count"},
		"api no token":                {inSite("rtmp_api {\nauth token\n}"), "6", "wrong argument count"},
		"api loopback argument":       {inSite("rtmp_api {\nauth loopback yes\n}"), "6", "wrong argument count"},
		"api by_site argument":        {inSite("rtmp_api {\nauth by_site yes\n}"), "6", "wrong argument count"},
		"api user without hash":       {inSite("rtmp_api {\nauth basic alice\n}"), "6", "a user and a password hash"},
		"api no account":              {inSite("rtmp_api {\nauth basic\n}"), "6", "a user and a password hash"},
		"api account without hash":    {inSite("rtmp_api {\nauth basic {\nalice\n}\n}"), "7", "a user and a password hash"},
		"api provider of nothing":     {inSite("rtmp_api {\nauth provider\n}"), "6", "wrong argument count"},
		"api provider unknown":        {inSite("rtmp_api {\nauth provider magic\n}"), "6", "http.authentication.providers.magic"},
		"api provider twice":          {inSite("rtmp_api {\nauth provider doorman a\nauth provider doorman b\n}"), "7", "the provider doorman stands twice"},
		"api provider without JSON":   {inSite("rtmp_api {\nauth provider http_basic\n}"), "6", "give its JSON"},
		"api provider of no object":   {inSite("rtmp_api {\nauth provider http_basic []\n}"), "6", "give its JSON"},
		"api forward of nothing":      {inSite("rtmp_api {\nauth forward\n}"), "6", "needs the URL to ask"},
		"api forward surplus":         {inSite("rtmp_api {\nauth forward https://a https://b\n}"), "6", "wrong argument count"},
		"api forward option":          {inSite("rtmp_api {\nauth forward https://a {\nuri /x\n}\n}"), "7", `unknown forward option "uri"`},
		"api surplus argument":        {inSite("rtmp_api /a /b {\nauth loopback\n}"), "5", "wrong argument count"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(test.text), map[string]any{"filename": "Caddyfile"})
			if err == nil {
				t.Fatal("it adapts")
			}
			if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(test.hint)) {
				t.Errorf("%q does not say %q", err, test.hint)
			}
			if !strings.Contains(err.Error(), "Caddyfile:"+test.line) {
				t.Errorf("%q does not name Caddyfile:%s", err, test.line)
			}
		})
	}
}
