package stats

import "time"

type summariesRow struct {
	OK     bool      `json:"ok"`
	NowMS  int64     `json:"now_ms"`
	Self   selfRow   `json:"self"`
	System systemRow `json:"system"`
}

// A selfRow tells of the process.
type selfRow struct {
	Version    string  `json:"version"`
	PID        int     `json:"pid"`
	PPID       int     `json:"ppid"`
	Argv       string  `json:"argv"`
	CWD        string  `json:"cwd"`
	MemKB      int64   `json:"mem_kbyte"` // resident
	MemPercent decimal `json:"mem_percent"`
	CPUPercent decimal `json:"cpu_percent"` // 1 is a core
	Uptime     int64   `json:"srs_uptime"`  // in seconds
}

// A systemRow tells of the machine. Percents are parts of 1; bytes are totals; recvi and sendi are those of private
// networks.
type systemRow struct {
	CPUPercent    decimal `json:"cpu_percent"` // 1 is all cores
	DiskReadKBps  int64   `json:"disk_read_KBps"`
	DiskWriteKBps int64   `json:"disk_write_KBps"`
	DiskBusy      decimal `json:"disk_busy_percent"` // of the busiest disk
	RAMKB         int64   `json:"mem_ram_kbyte"`
	RAMPercent    decimal `json:"mem_ram_percent"`
	SwapKB        int64   `json:"mem_swap_kbyte"`
	SwapPercent   decimal `json:"mem_swap_percent"`
	CPUs          int     `json:"cpus"`
	CPUsOnline    int     `json:"cpus_online"`
	Uptime        decimal `json:"uptime"`    // in seconds
	IdleTime      decimal `json:"ilde_time"` // likewise, over all cores; misspelt by SRS
	Load1         decimal `json:"load_1m"`
	Load5         decimal `json:"load_5m"`
	Load15        decimal `json:"load_15m"`
	NetSampleTime int64   `json:"net_sample_time"` // in milliseconds since 1970
	NetRecvBytes  int64   `json:"net_recv_bytes"`
	NetSendBytes  int64   `json:"net_send_bytes"`
	NetRecviBytes int64   `json:"net_recvi_bytes"`
	NetSendiBytes int64   `json:"net_sendi_bytes"`
	SRSSampleTime int64   `json:"srs_sample_time"` // in milliseconds since 1970
	SRSRecvBytes  int64   `json:"srs_recv_bytes"`
	SRSSendBytes  int64   `json:"srs_send_bytes"`
	ConnSys       int64   `json:"conn_sys"` // TCP, in any state
	ConnSysET     int64   `json:"conn_sys_et"`
	ConnSysTW     int64   `json:"conn_sys_tw"`
	ConnSysUDP    int64   `json:"conn_sys_udp"`
	ConnSRS       int     `json:"conn_srs"` // sessions
}

func (a *API) summaries(*request) (any, error) {
	return dataBody{a.envelope(), a.Summaries()}, nil
}

// Summaries returns what the endpoint of this name tells as its data, for encoding/json.
func (a *API) Summaries() any {
	row := a.System.sample().summaries
	total, now := a.Hub.Totals(), time.Now().UnixMilli()
	row.NowMS = now
	row.Self.Version = parseVersion(a.Version).Version
	row.System.SRSSampleTime = now
	row.System.SRSRecvBytes = total.Received
	row.System.SRSSendBytes = total.Sent
	row.System.ConnSRS = a.Hub.Len()
	return row
}
