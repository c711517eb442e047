package e2e

import (
	"errors"
	"fmt"
	"net/http"
)

// A streamRow is what tests read of a stream in the API.
type streamRow struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	App     string `json:"app"`
	Clients int    `json:"clients"`
	Frames  int    `json:"frames"`
	Sent    int64  `json:"send_bytes"`
	Got     int64  `json:"recv_bytes"`
	Publish struct {
		Active bool   `json:"active"`
		CID    string `json:"cid"`
	} `json:"publish"`
	Video struct {
		Codec   string `json:"codec"`
		Profile string `json:"profile"`
		Width   int    `json:"width"`
		Height  int    `json:"height"`
	} `json:"video"`
	Audio struct {
		Codec      string `json:"codec"`
		SampleRate int    `json:"sample_rate"`
		Channel    int    `json:"channel"`
	} `json:"audio"`
}

// A clientRow is what tests read of a client in the API.
type clientRow struct {
	ID      string `json:"id"`
	Stream  string `json:"stream"`
	IP      string `json:"ip"`
	Name    string `json:"name"`
	URL     string `json:"url"`
	TCURL   string `json:"tcUrl"`
	PageURL string `json:"pageUrl"`
	Type    string `json:"type"`
	Publish bool   `json:"publish"`
	Sent    int64  `json:"send_bytes"`
	Got     int64  `json:"recv_bytes"`
}

// streams returns all streams of the API.
func (s *server) streams() ([]streamRow, error) {
	var answer struct {
		Code    int         `json:"code"`
		Streams []streamRow `json:"streams"`
	}
	if err := s.api(http.MethodGet, "/streams/?count=100", &answer); err != nil {
		return nil, err
	}
	if answer.Code != 0 {
		return nil, fmt.Errorf("code %d", answer.Code)
	}
	return answer.Streams, nil
}

// clients returns all clients of the API by their ids.
func (s *server) clients() (map[string]clientRow, error) {
	var answer struct {
		Code    int         `json:"code"`
		Clients []clientRow `json:"clients"`
	}
	if err := s.api(http.MethodGet, "/clients/?count=100", &answer); err != nil {
		return nil, err
	}
	if answer.Code != 0 {
		return nil, fmt.Errorf("code %d", answer.Code)
	}
	rows := make(map[string]clientRow)
	for _, row := range answer.Clients {
		rows[row.ID] = row
	}
	return rows, nil
}

// awaitClients waits until the API lists what is wanted: how many there are of each type.
func (s *server) awaitClients(want map[string]int) map[string]clientRow {
	s.t.Helper()
	var rows map[string]clientRow
	eventually(s.t, fmt.Sprintf("clients %v", want), func() (err error) {
		if rows, err = s.clients(); err != nil {
			return err
		}
		have := make(map[string]int)
		for _, row := range rows {
			have[row.Type]++
		}
		if fmt.Sprint(have) != fmt.Sprint(want) {
			return fmt.Errorf("there are %v", have)
		}
		return nil
	})
	return rows
}

// awaitStream waits until a stream has a publisher whose media have come.
func (s *server) awaitStream(name string) streamRow {
	s.t.Helper()
	return s.awaitFrames(name, 0)
}

// awaitFrames waits until a stream has a publisher of whom more than some frames have come.
func (s *server) awaitFrames(name string, frames int) streamRow {
	s.t.Helper()
	var row streamRow
	eventually(s.t, "the stream "+name+" is on air", func() error {
		rows, err := s.streams()
		if err != nil {
			return err
		}
		for _, row = range rows {
			if row.Name == name && row.Publish.Active && row.Frames > frames+pictureRate {
				return nil
			}
		}
		return errors.New("it is not")
	})
	return row
}

// kick ends a client's session and returns the API's code.
func (s *server) kick(id string) int {
	s.t.Helper()
	var answer struct {
		Code int `json:"code"`
	}
	if err := s.api(http.MethodDelete, "/clients/"+id, &answer); err != nil {
		s.t.Fatal(err)
	}
	return answer.Code
}
