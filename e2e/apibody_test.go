package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-rtmp/caddy-rtmp/live"
	"github.com/caddy-rtmp/caddy-rtmp/stats/apitest"
)

// TestAPIBodies compares all answers of the API with its description: with a publisher, viewers of each kind, a ban, and an
// event that cannot be delivered.
func TestAPIBodies(t *testing.T) {
	t.Parallel()
	deaf := freePorts(t, 1)[0]
	s := serve(t, in("	rtmp", "\t\thook http http://127.0.0.1:"+strconv.Itoa(deaf)+"/ {\n\t\t\tevents on_unpublish\n\t\t}"))
	s.publish(s.url("rtmp", "/live/gone")).stop(t)
	s.publish(s.url("rtmp", "/live/test"))
	s.play(s.url("rtmp", "/live/test"))
	s.watch(http2, s.url("https", "/live/test.flv"))
	s.watch(http1, s.url("http", "/live/test.ts"))
	s.tune(http1, s.url("https", "/live/test.m3u8"))
	rows := s.awaitClients(map[string]int{"fmle-publish": 1, "rtmp-play": 1, "flv-play": 2, "hls-play": 1})
	s.awaitMedia()
	d := &descriptionCheck{server: s, Description: apitest.Describe(t)}

	for path, operations := range d.Paths {
		if _, ok := operations["get"].Responses["200"]; ok && !strings.Contains(path, "{id}") && path != "/" && !slices.Contains(streaming, path) {
			d.do(http.MethodGet, path, "", "/?count=1")
			if path != "/api" { // the site's matcher is /api/*
				d.do(http.MethodGet, path, "", "")
			}
		}
	}
	for list, key := range map[string]string{
		"/vhosts": "vhosts", "/streams": "streams", "/clients": "clients", "/hooks/deliveries": "deliveries",
	} {
		for _, id := range d.ids(list, key) {
			d.do(http.MethodGet, "/api/v1"+list+"/{id}", id, "")
		}
	}
	d.checkIndex()
	if raw := d.do(http.MethodGet, "/api/v1/raw", "", "?rpc=raw"); !strings.Contains(raw, `"listen":"`+strconv.Itoa(s.https)+`"`) {
		t.Errorf("the raw API is %s", raw)
	}
	viewer := slices.IndexFunc(values(rows), func(r clientRow) bool { return r.Type == "flv-play" })
	d.do(http.MethodDelete, "/api/v1/clients/{id}", values(rows)[viewer].ID, "?ban=1h&by=stream")
	ban := d.ids("/bans", "bans")[0]
	d.do(http.MethodGet, "/api/v1/bans/{id}", ban, "")
	d.do(http.MethodDelete, "/api/v1/bans/{id}", ban, "")
	delivery := d.ids("/hooks/deliveries", "deliveries")[0]
	d.do(http.MethodPost, "/api/v1/hooks/deliveries/{id}/replay", delivery, "")
	d.do(http.MethodDelete, "/api/v1/hooks/deliveries/{id}", delivery, "")
	d.Complete(t, "/api", streaming...)
}

// streaming are paths with answers that have no end, which have tests of their own.
var streaming = []string{"/api/v1/events"}

// A descriptionCheck asks a server for what is described.
type descriptionCheck struct {
	*server
	*apitest.Description
}

// checkIndex looks whether all that the index lists is there.
func (d *descriptionCheck) checkIndex() {
	d.t.Helper()
	var index struct {
		URLs map[string]string `json:"urls"`
	}
	if err := d.api(http.MethodGet, "", &index); err != nil {
		d.t.Fatal(err)
	}
	for name := range index.URLs {
		if path := "/api/v1/" + name; !slices.Contains(streaming, path) {
			d.do(http.MethodGet, path, "", "")
		}
	}
}

// do asks for a path in which id stands for {id}, and compares the answer with the description.
func (d *descriptionCheck) do(method, path, id, query string) string {
	d.t.Helper()
	status, body := d.apiCall(method, strings.Replace(path, "{id}", id, 1)+query, apiToken)
	if status != http.StatusOK {
		d.t.Fatalf("%s %s of %q: %d %s", method, path, id, status, body)
	}
	d.Check(d.t, method, path, "200", []byte(body))
	return body
}

// ids returns the ids of a list.
func (d *descriptionCheck) ids(path, key string) []string {
	d.t.Helper()
	var lists map[string]json.RawMessage
	var rows []struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal([]byte(d.do(http.MethodGet, "/api/v1"+path, "", "?count=100")), &lists)
	if err == nil {
		err = json.Unmarshal(lists[key], &rows)
	}
	if err != nil || len(rows) == 0 {
		d.t.Fatalf("%s: no %s, %v", path, key, err)
	}
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

// values returns the values of a map, by its keys.
func values(rows map[string]clientRow) (list []clientRow) {
	for _, r := range rows {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b clientRow) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// awaitMedia waits until the API knows what the film is like.
func (s *server) awaitMedia() {
	s.t.Helper()
	var answer struct {
		Streams []struct {
			Publish struct {
				Since int64 `json:"since_ms"`
				OnAir int64 `json:"on_air_ms"`
			} `json:"publish"`
			Video, Audio struct {
				FPS       float64 `json:"fps"`
				Kbps      int     `json:"kbps"`
				GOPFrames int     `json:"gop_frames"`
				GOP       int     `json:"gop_ms"`
			}
			Tracks []struct {
				Kind   string `json:"kind"`
				Frames int    `json:"frames"`
			} `json:"tracks"`
		} `json:"streams"`
	}
	eventually(s.t, "rates of the film", func() error {
		if err := s.api(http.MethodGet, "/streams?stream=test", &answer); err != nil {
			return err
		}
		row := answer.Streams[0]
		v := row.Video
		// Its rates are means over some seconds, the first of which had no pictures.
		if v.FPS < pictureRate/2 || v.FPS > pictureRate*2 || v.Kbps < 10 || row.Audio.Kbps < 1 || v.GOPFrames != pictureRate || v.GOP < 900 || v.GOP > 1100 {
			return fmt.Errorf("they are %+v, %+v", v, row.Audio)
		}
		if row.Publish.Since == 0 || row.Publish.OnAir <= 0 || len(row.Tracks) != 2 || row.Tracks[0].Frames == 0 || row.Tracks[1].Kind != "audio" {
			return fmt.Errorf("the stream is %+v", row)
		}
		return nil
	})
}

// TestAPIPages asks for streams in pages, without the last slash, and by JSONP.
func TestAPIPages(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	for _, name := range []string{"one", "two", "three"} {
		s.publish(s.url("rtmp", "/live/"+name))
		s.awaitStream(name)
	}
	var all, page struct {
		Code    int         `json:"code"`
		Total   int         `json:"total"`
		Streams []streamRow `json:"streams"`
	}
	for _, slash := range []string{"", "/"} {
		if err := errors.Join(s.api(http.MethodGet, "/streams"+slash, &all), s.api(http.MethodGet, "/streams"+slash+"?count=1&start=1", &page)); err != nil {
			t.Fatal(err)
		}
		if all.Total != 3 || page.Total != 3 || len(page.Streams) != 1 || page.Streams[0].ID != all.Streams[1].ID {
			t.Errorf("of %+v the second is %+v", all, page)
		}
	}
	if err := s.api(http.MethodGet, "/streams?sort=-name&count=2&app=live", &page); err != nil || len(page.Streams) != 2 || page.Streams[0].Name != "two" || page.Streams[1].Name != "three" {
		t.Errorf("by name, the last first: %+v, %v", page, err)
	}
	if _, body := s.apiCall(http.MethodGet, "/api/v1/streams?callback=x", apiToken); !strings.HasPrefix(body, `x({"code":0,`) || !strings.HasSuffix(body, "})") {
		t.Errorf("JSONP: %s", body)
	}
	if _, body := s.apiCall(http.MethodGet, "/api/v1/streams?callback=x%28", apiToken); body != `{"code":4058}` {
		t.Errorf("JSONP with a bad name: %s", body)
	}
}

// TestAPISecondPublisher: a second publisher is refused, the first one is not harmed, and the API says so.
func TestAPISecondPublisher(t *testing.T) {
	t.Parallel()
	s := serve(t, in("app live", "\t\t\ton_conflict reject"))
	s.publish(s.url("rtmp", "/live/test"))
	first := s.awaitStream("test")
	checkRefusal(t, s.publishOnce(s.url("rtmp", "/live/test")), "NetStream.Publish.BadName", "already has a publisher")
	row := s.awaitFrames("test", first.Frames)
	if row.Publish.CID != first.Publish.CID || row.Clients != 1 || row.ID != first.ID {
		t.Errorf("the stream was %+v and is %+v", first, row)
	}
	var answer struct {
		Stream struct {
			Fault struct {
				Text string `json:"text"`
			} `json:"last_error"`
		} `json:"stream"`
	}
	if err := s.api(http.MethodGet, "/streams/"+first.ID, &answer); err != nil || !strings.Contains(answer.Stream.Fault.Text, live.ErrBusy.Error()) {
		t.Errorf("the last error is %+v, %v", answer, err)
	}
}

// TestAPIAfterRestart: the server is the same after a restart, its service is another.
func TestAPIAfterRestart(t *testing.T) {
	t.Parallel()
	s := serve(t, basic)
	type head struct {
		Server  string `json:"server"`
		Service string `json:"service"`
		PID     string `json:"pid"`
	}
	ask := func() (h head) {
		if err := s.api(http.MethodGet, "/versions", &h); err != nil {
			t.Fatal(err)
		}
		return h
	}
	before := ask()
	s.end()
	s.run()
	after := ask()
	if after.Server != before.Server || after.Service == before.Service || after.PID == before.PID || after.Server == "" || after.Service == "" {
		t.Errorf("before %+v, after %+v", before, after)
	}
}
