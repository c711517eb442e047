package stats

// A rusagesRow is what the process has used since its start: getrusage(2), with times in whole seconds.
type rusagesRow struct {
	OK         bool  `json:"ok"`
	SampleTime int64 `json:"sample_time"` // in milliseconds since 1970
	UTime      int64 `json:"ru_utime"`
	STime      int64 `json:"ru_stime"`
	MaxRSS     int64 `json:"ru_maxrss"` // in kilobytes
	IXRSS      int64 `json:"ru_ixrss"`
	IDRSS      int64 `json:"ru_idrss"`
	ISRSS      int64 `json:"ru_isrss"`
	MinFlt     int64 `json:"ru_minflt"`
	MajFlt     int64 `json:"ru_majflt"`
	NSwap      int64 `json:"ru_nswap"`
	InBlock    int64 `json:"ru_inblock"`
	OutBlock   int64 `json:"ru_oublock"`
	MsgSnd     int64 `json:"ru_msgsnd"`
	MsgRcv     int64 `json:"ru_msgrcv"`
	NSignals   int64 `json:"ru_nsignals"`
	NVCSw      int64 `json:"ru_nvcsw"`
	NIvCSw     int64 `json:"ru_nivcsw"`
}

func (a *API) rusages(*request) (any, error) {
	return dataBody{a.envelope(), a.System.sample().rusages}, nil
}
