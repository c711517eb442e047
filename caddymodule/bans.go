package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// bansPath is the file of the bans, below Caddy's data folder.
func bansPath() string { return filepath.Join(caddy.AppDataDir(), "rtmp", "bans.json") }

// loadBans puts the bans of the process before in force. That they cannot be read is no reason not to serve.
func (e *engine) loadBans() {
	var list []live.Ban
	text, err := os.ReadFile(bansPath())
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		caddy.Log().Named(appName).Error("the bans of before cannot be read, and are not in force", zap.String("file", bansPath()), zap.Error(err))
		return
	}
	e.hub.RestoreBans(list)
}

// keepBans writes the bans in force down, for the process that comes next. It is called when they have changed, which is
// when somebody has asked for it.
func (e *engine) keepBans() {
	e.banning.Lock()
	defer e.banning.Unlock()
	if err := writeBans(e.hub.Bans()); err != nil {
		e.logger().Error("the bans would not survive a restart", "file", bansPath(), "error", err)
	}
}

// writeBans puts a new file in the place of the one before.
func writeBans(list []live.Ban) error {
	text, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encoding bans: %w", err)
	}
	path := bansPath()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the folder of the bans: %w", err)
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("writing the bans: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("writing the bans: %w", err)
	}
	return nil
}
