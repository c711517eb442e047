package stats

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

type authorsRow struct {
	License      string `json:"license"`
	Contributors string `json:"contributors"`
}

func (a *API) authors(*request) (any, error) {
	return dataBody{a.envelope(), authorsRow{
		License:      "Apache-2.0",
		Contributors: "https://github.com/caddy-rtmp/caddy-rtmp/graphs/contributors",
	}}, nil
}

type featuresRow struct {
	Options  string      `json:"options"`  // how it was built
	Options2 string      `json:"options2"` // likewise
	Build    string      `json:"build"`    // when the source was committed
	Build2   string      `json:"build2"`   // which commit
	Features featureRows `json:"features"`
}

// featureRows tell what this server has of SRS's features.
type featureRows struct {
	SSL         bool `json:"ssl"`
	HLS         bool `json:"hls"`
	HDS         bool `json:"hds"`
	Callback    bool `json:"callback"`
	API         bool `json:"api"`
	HTTPD       bool `json:"httpd"`
	DVR         bool `json:"dvr"`
	Transcode   bool `json:"transcode"`
	Ingest      bool `json:"ingest"`
	Stat        bool `json:"stat"`
	Caster      bool `json:"caster"`
	ComplexSend bool `json:"complex_send"` // several chunks in one system call
	TCPNoDelay  bool `json:"tcp_nodelay"`
	SendBuffer  bool `json:"so_sendbuf"` // set to a size of our own
	MergedRead  bool `json:"mr"`         // waits, so as to read more at once
}

func (a *API) features(*request) (any, error) {
	row := featuresRow{
		Options2: fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH),
		Features: featureRows{
			SSL: true, HLS: true, Callback: true, API: true, HTTPD: true, Stat: true, ComplexSend: true, TCPNoDelay: true,
		},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		row.take(info)
	}
	return dataBody{a.envelope(), row}, nil
}

// take takes over how the program was built, without what would tell of the machine on which it was.
func (row *featuresRow) take(info *debug.BuildInfo) {
	var options []string
	for _, s := range info.Settings {
		switch s.Key {
		case "-tags", "-race", "-trimpath", "CGO_ENABLED", "GOAMD64", "GOARM", "GOARM64", "GO386":
			options = append(options, s.Key+"="+s.Value)
		case "vcs.time":
			row.Build = s.Value
		case "vcs.revision":
			row.Build2 = s.Value
		}
	}
	row.Options = strings.Join(options, " ")
	row.Build2 = cmp.Or(row.Build2, info.Main.Version)
}
