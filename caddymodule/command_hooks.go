package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-rtmp/caddy-rtmp/hooks/outbox"
)

// A hooksClient is "caddy rtmp hooks" and what is below it.
type hooksClient struct {
	adminClient
	target, stream, event string
	count                 int
}

func hooksCommand() *cobra.Command {
	c := new(hooksClient)
	root := &cobra.Command{
		Use:   "hooks",
		Short: "Shows what back ends were told, and tells it again",
		Long: `Shows the deliveries of webhooks that wait or were given up, and has them tried again.
Without a command it is "list".`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.list("") },
	}
	c.flags(root)
	root.SilenceUsage = true
	root.AddCommand(
		c.filtered(&cobra.Command{
			Use: "list", Short: "Lists what is pending, oldest first, then what was given up",
			RunE: func(*cobra.Command, []string) error { return c.list("") },
		}),
		c.filtered(&cobra.Command{
			Use: "dead", Short: "Lists what was given up, newest first",
			RunE: func(*cobra.Command, []string) error { return c.list(outbox.StateDead) },
		}),
		c.filtered(&cobra.Command{
			Use: "log", Short: "Lists the last attempts, newest first",
			RunE: func(*cobra.Command, []string) error { return c.log() },
		}),
		&cobra.Command{
			Use: "targets", Short: "Lists the URLs that are told, and how they take it", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return c.targets() },
		},
		&cobra.Command{
			Use: "show <id>", Short: "Shows one delivery, with its body", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return c.show(args[0]) },
		},
		&cobra.Command{
			Use: "replay <id>…", Short: "Tries deliveries again: those that were given up, and those that wait",
			Args: cobra.MinimumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				return c.change(args, http.MethodPost, "/replay", "is tried again")
			},
		},
		&cobra.Command{
			Use: "discard <id>…", Short: "Forgets deliveries, also one that holds up the others of its stream",
			Args: cobra.MinimumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				return c.change(args, http.MethodDelete, "", "is forgotten")
			},
		},
	)
	return root
}

// filtered adds the flags that select from a list.
func (c *hooksClient) filtered(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.NoArgs
	cmd.Flags().StringVar(&c.target, "target", "", "Only those for this target")
	cmd.Flags().StringVar(&c.stream, "stream", "", "Only those of this stream (vhost/app/stream)")
	cmd.Flags().StringVar(&c.event, "event", "", "Only those of this event")
	cmd.Flags().IntVar(&c.count, "count", 100, "How many, at most 1000")
	return cmd
}

func (c *hooksClient) query() url.Values {
	query := make(url.Values)
	for name, value := range map[string]string{"target": c.target, "stream": c.stream, "event": c.event} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if c.count > 0 {
		query.Set("count", strconv.Itoa(c.count))
	}
	return query
}

func (c *hooksClient) list(state string) error {
	query := c.query()
	if state != "" {
		query.Set("state", state)
	}
	var a outbox.DeliveriesAnswer
	if done, err := c.get("/hooks/deliveries", query, &a); done || err != nil {
		return err
	}
	if len(a.Deliveries) == 0 {
		return c.say("No delivery is pending or was given up.")
	}
	now := time.Now()
	t := c.table("ID", "STATE", "EVENT", "STREAM", "TARGET", "AGE", "ATTEMPTS", "NEXT", "PROBLEM")
	for _, d := range a.Deliveries {
		t.row(d.ID, d.State, d.Event, d.Stream, d.Target, since(d.Created, now), d.Attempts, since(d.Next, now), problem(&d))
	}
	if err := t.end(); err != nil {
		return err
	}
	if a.Matching > len(a.Deliveries) {
		return c.say("… and %d more: --count", a.Matching-len(a.Deliveries))
	}
	return nil
}

// problem says why a delivery has not arrived.
func problem(d *outbox.Row) string {
	switch {
	case d.Reason != "":
		return d.Reason
	case d.Last == nil:
		return ""
	}
	return outcome(d.Last)
}

// outcome says how an attempt was answered.
func outcome(a *outbox.Attempt) string {
	switch {
	case a.Error != "":
		return a.Error
	case a.Note != "":
		return fmt.Sprintf("status %d: %s", a.Status, a.Note)
	}
	return fmt.Sprintf("status %d", a.Status)
}

func (c *hooksClient) log() error {
	var a outbox.AttemptsAnswer
	if done, err := c.get("/hooks/attempts", c.query(), &a); done || err != nil {
		return err
	}
	if len(a.Attempts) == 0 {
		return c.say("There was no attempt since the server began.")
	}
	return c.attempts(a.Attempts)
}

func (c *hooksClient) attempts(attempts []outbox.Attempt) error {
	now := time.Now()
	t := c.table("TIME", "ID", "EVENT", "STREAM", "TARGET", "TRY", "OUTCOME", "LATENCY", "NEXT", "ANSWER")
	for _, a := range attempts {
		t.row(a.Time.Local().Format(time.DateTime), a.ID, a.Event, a.Stream, a.Target, a.Number, a.Outcome,
			fmt.Sprintf("%.1fms", a.Latency), since(a.Next, now), outcome(&a))
	}
	return t.end()
}

func (c *hooksClient) targets() error {
	var a outbox.TargetsAnswer
	if done, err := c.get("/hooks/targets", nil, &a); done || err != nil {
		return err
	}
	if len(a.Targets) == 0 {
		return c.say("No hook has a target.")
	}
	now := time.Now()
	t := c.table("TARGET", "STATE", "PENDING", "OLDEST", "DELIVERED", "FAILED", "DEAD", "LAST ERROR")
	for _, target := range a.Targets {
		state := "ok"
		switch {
		case !target.Configured:
			state = "not configured"
		case target.Failing:
			state = "failing"
		}
		t.row(target.Target, state, target.Pending, since(target.Oldest, now), target.Delivered, target.Failed, target.Dead, target.LastError)
	}
	if err := t.end(); err != nil || a.Totals.Dropped+a.Totals.DroppedDead == 0 {
		return err
	}
	return c.say("Dropped, as there were too many: %d pending, %d given up.", a.Totals.Dropped, a.Totals.DroppedDead)
}

func (c *hooksClient) show(id string) error {
	var a outbox.DeliveryAnswer
	if done, err := c.get("/hooks/deliveries/"+url.PathEscape(id), nil, &a); done || err != nil {
		return err
	}
	d := &a.Delivery
	t := c.table("ID", d.ID)
	t.row("STATE", d.State)
	t.row("EVENT", d.Event)
	t.row("STREAM", d.Stream)
	t.row("CLIENT", d.Client)
	t.row("TARGET", d.Target)
	t.row("CREATED", d.Created.Local().Format(time.DateTime))
	t.row("EXPIRES", d.Expires.Local().Format(time.DateTime))
	t.row("PROBLEM", problem(d))
	t.row("BODY", d.Body)
	if err := t.end(); err != nil || len(a.Attempts) == 0 {
		return err
	}
	return errors.Join(c.say(""), c.attempts(a.Attempts))
}

// change asks for something to be done with each of the deliveries.
func (c *hooksClient) change(ids []string, method, suffix, said string) error {
	for _, id := range ids {
		done, err := c.call(method, "/hooks/deliveries/"+url.PathEscape(id)+suffix, nil, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if !done {
			if err := c.say("%s %s", id, said); err != nil {
				return err
			}
		}
	}
	return nil
}
