package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "rtmp",
		Usage: "<command>",
		Short: "Looks at and steers live streaming",
		Long:  "Looks at and steers the live streaming of a Caddy that runs, by its admin endpoint.",
		CobraFunc: func(cmd *cobra.Command) {
			for _, add := range subcommands {
				cmd.AddCommand(add())
			}
		},
	})
}

// subcommands make the commands below "caddy rtmp", in the order in which the help lists them.
var subcommands = []func() *cobra.Command{
	streamsCommand,
	clientsCommand,
	kickCommand,
	hooksCommand,
	signURLCommand,
}

// An adminClient asks the admin endpoint of a Caddy that runs. Its flags are those of Caddy's own commands.
type adminClient struct {
	address, config, adapter string
	json                     bool
	out                      io.Writer
}

// flags adds the client's flags to a command and those below it.
func (c *adminClient) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&c.address, "address", "", "Address of the admin endpoint, if it is not the one of the configuration")
	f.StringVarP(&c.config, "config", "c", "", "Configuration file to take the address from")
	f.StringVarP(&c.adapter, "adapter", "a", "", "Name of the config adapter for it")
	f.BoolVar(&c.json, "json", false, "Print the answer as it comes, in JSON")
	c.out = os.Stdout
}

// call makes a request and reads the answer into to. With --json it is printed instead, and done is true.
func (c *adminClient) call(method, path string, query url.Values, to any) (done bool, err error) {
	address, err := caddycmd.DetermineAdminAPIAddress(c.address, nil, c.config, c.adapter)
	if err != nil {
		return false, fmt.Errorf("finding the address of the admin endpoint: %w", err)
	}
	uri := adminPath + path
	if len(query) > 0 {
		uri += "?" + query.Encode()
	}
	resp, err := caddycmd.AdminAPIRequest(address, method, uri, nil, nil)
	if err != nil {
		return false, fmt.Errorf("asking the Caddy at %s: %w", address, err)
	}
	defer resp.Body.Close()
	if c.json {
		if _, err = io.Copy(c.out, resp.Body); err == nil {
			_, err = fmt.Fprintln(c.out)
		}
		return true, err
	}
	if to == nil {
		return false, nil
	}
	if err := json.NewDecoder(resp.Body).Decode(to); err != nil {
		return false, fmt.Errorf("reading the answer of the Caddy at %s: %w", address, err)
	}
	return false, nil
}

// get is call with GET.
func (c *adminClient) get(path string, query url.Values, to any) (done bool, err error) {
	return c.call(http.MethodGet, path, query, to)
}

// say prints a line.
func (c *adminClient) say(format string, args ...any) error {
	_, err := fmt.Fprintf(c.out, format+"\n", args...)
	return err
}

// A table is printed with its columns aligned.
type table struct {
	w   *tabwriter.Writer
	err error
}

func (c *adminClient) table(columns ...string) *table {
	t := &table{w: tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)}
	header := make([]any, len(columns))
	for i, name := range columns {
		header[i] = name
	}
	t.row(header...)
	return t
}

// row adds a row. What clients have named is printed without what would steer a terminal.
func (t *table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		if texts[i] = printable(fmt.Sprint(cell)); texts[i] == "" {
			texts[i] = "-"
		}
	}
	if _, err := fmt.Fprintln(t.w, strings.Join(texts, "\t")); err != nil {
		t.err = err
	}
}

// end prints the table.
func (t *table) end() error {
	if err := t.w.Flush(); err != nil {
		return err
	}
	return t.err
}

// printable returns a text on one line, with what is not to be printed escaped.
func printable(text string) string {
	quoted := fmt.Sprintf("%q", text)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}

// since says how long ago a time is, or how far ahead, to the second.
func since(at, now time.Time) string {
	switch d := now.Sub(at).Round(time.Second); {
	case at.IsZero():
		return ""
	case d < 0:
		return "in " + (-d).String()
	default:
		return d.String()
	}
}
