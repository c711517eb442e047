package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// An authenticator is a guest module that proves who a client is.
type authenticator struct {
	name string // of the module in its namespace
	live.Guard
}

// loadAuthenticators loads the authenticators of a rule.
func loadAuthenticators(ctx caddy.Context, a *Access) ([]authenticator, error) {
	guests, err := ctx.LoadModule(a, "AuthenticatorsRaw")
	if err != nil {
		return nil, fmt.Errorf("loading authenticators: %w", err)
	}
	list, _ := guests.([]any)
	authenticators := make([]authenticator, 0, len(list))
	for _, guest := range list {
		guard, ok := guest.(live.Guard)
		if !ok {
			return nil, fmt.Errorf("%T is no authenticator", guest)
		}
		name := ""
		if m, ok := guest.(caddy.Module); ok {
			name = m.CaddyModule().ID.Name()
		}
		authenticators = append(authenticators, authenticator{name, guard})
	}
	return authenticators, nil
}

// authenticate asks one authenticator after the other until one accepts. Its name goes before the grant's basis.
func authenticate(ctx context.Context, authenticators []authenticator, r *live.Request) (live.Grant, error) {
	var errs []error
	for _, a := range authenticators {
		grant, err := a.Admit(ctx, r)
		if err == nil {
			grant.Basis = a.name + " " + grant.Basis
			return grant, nil
		}
		errs = append(errs, err)
	}
	return live.Grant{}, join(errs)
}

// join makes one error of those with which all authenticators have answered. If one of them could not decide, nothing is
// decided, and the client may try again; if one knows the client and refuses it, there is no use in another login.
func join(errs []error) error {
	if len(errs) <= 1 {
		return errors.Join(errs...)
	}
	var first *live.Refusal
	var challenges []string
	for _, err := range errs {
		refusal, ok := errors.AsType[*live.Refusal](err)
		switch {
		case !ok:
			return fmt.Errorf("an authenticator has failed: %v", errors.Join(errs...)) //nolint:errorlint // the refusals among them decide nothing
		case first == nil || errors.Is(refusal.Kind, live.ErrDenied) && !errors.Is(first.Kind, live.ErrDenied):
			first = refusal
		}
		if refusal.Challenge != "" {
			challenges = append(challenges, refusal.Challenge)
		}
	}
	told := &live.Refusal{Kind: first.Kind, Description: first.Description, Challenge: strings.Join(challenges, ", ")}
	return fmt.Errorf("%w (%w)", told, errors.Join(errs...))
}

// review tells whether what a session was admitted on, by an older configuration, still holds. Authenticators without an
// answer of their own stand by what one of their name has said.
func review(authenticators []authenticator, s *live.SessionInfo) error {
	if len(authenticators) == 0 {
		return nil
	}
	name, basis, _ := strings.Cut(s.Grant.Basis, " ")
	info := *s
	info.Grant.Basis = basis
	var errs []error
	for _, a := range authenticators {
		if a.name != name {
			continue
		}
		reviewer, ok := a.Guard.(hooks.Reviewer)
		if !ok {
			return nil
		}
		err := reviewer.Review(&info)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return live.Refuse(live.ErrUnauthorized, "you must authenticate now")
	}
	return join(errs)
}
