package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestUnknownNames asks for fifty thousand names that nobody has published: each is told so, and the server is left as it
// was.
func TestUnknownNames(t *testing.T) {
	t.Parallel()
	quiet := strings.Replace(basic, "\tskip_install_trust\n", "\tskip_install_trust\n\tlog {\n\t\tlevel ERROR\n\t}\n", 1)
	s := serve(t, with(quiet, "app live", "\t\t\twait 0"))
	s.askForNames("before", 5000)
	before := s.load()
	s.askForNames("name", 50000)
	s.awaitLoad(before)
	s.awaitClients(map[string]int{})
}

// askForNames asks for so many streams, of each for another of the files that players ask for.
func (s *server) askForNames(prefix string, n int) {
	s.t.Helper()
	files := []string{".m3u8", "/index.m3u8", "/media.m3u8?hls_ctx=a.b.c", "/abc-1.ts?hls_ctx=a.b.c", ".flv", ".ts"}
	const clients = http.DefaultMaxIdleConnsPerHost
	client := s.browser(http1)
	defer client.CloseIdleConnections()
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := c; i < n && errs[c] == nil; i += clients {
				url := fmt.Sprintf("%s%d%s", s.url("http", "/live/"+prefix), i, files[i%len(files)])
				resp, err := get(s.t.Context(), client, http1, url)
				if err != nil {
					errs[c] = err
					return
				}
				_, errs[c] = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusNotFound {
					errs[c] = fmt.Errorf("%s: %s", url, resp.Status)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		s.t.Fatal(err)
	}
}
