package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddy-rtmp/caddy-rtmp/hooks"
	"github.com/caddy-rtmp/caddy-rtmp/live"
)

// A urlSigner is "caddy rtmp sign-url".
type urlSigner struct {
	publish                     bool
	lifetime                    string
	client, stream, vhost       string
	secretFile, secretEnv       string
	expiryParam, signatureParam string
}

func signURLCommand() *cobra.Command {
	s := new(urlSigner)
	cmd := &cobra.Command{
		Use:   "sign-url --secret-file <path>|--secret-env <name> <url>",
		Short: "Signs the URL of a stream for authenticate signed_url",
		Long: `Prints the URL with an expiry and a signature in its query, which "authenticate signed_url" admits.

	caddy rtmp sign-url --secret-env SIGNING_SECRET --for 2h https://live.example.com/live/cam1.m3u8
	caddy rtmp sign-url --secret-file secret --publish rtmp://live.example.com/live/cam1

App and stream are the last two parts of the URL's path, without the ending of the format. It needs no Caddy that runs.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			signed, err := s.sign(args[0], time.Now())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), signed)
			return err
		},
		SilenceUsage: true,
	}
	f := cmd.Flags()
	f.BoolVar(&s.publish, "publish", false, "Sign for publishing, not for playing")
	f.StringVar(&s.lifetime, "for", "1h", "How long the URL is valid, such as 30m, 2h or 7d")
	f.StringVar(&s.client, "client", "", "IP address of the only client that may use it")
	f.StringVar(&s.stream, "stream", "", "App and stream, such as /live/cam1, where the path does not show them")
	f.StringVar(&s.vhost, "vhost", "", "Vhost, where the server declares any and the client selects one")
	f.StringVar(&s.secretFile, "secret-file", "", "File that holds the secret; - is the standard input")
	f.StringVar(&s.secretEnv, "secret-env", "", "Environment variable that holds the secret")
	f.StringVar(&s.expiryParam, "expiry-param", hooks.DefaultExpiryParam, "Query parameter of the expiry")
	f.StringVar(&s.signatureParam, "signature-param", hooks.DefaultSignatureParam, "Query parameter of the signature")
	cmd.MarkFlagsMutuallyExclusive("secret-file", "secret-env")
	cmd.MarkFlagsOneRequired("secret-file", "secret-env")
	return cmd
}

// sign returns the URL with its signature.
func (s *urlSigner) sign(raw string, now time.Time) (string, error) {
	secret, err := s.secret()
	if err != nil {
		return "", err
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "", errors.New("the URL cannot be read; write it with its scheme and host, like https://live.example.com/live/cam1.m3u8")
	}
	key, err := s.key(u.Path)
	if err != nil {
		return "", err
	}
	lifetime, err := caddy.ParseDuration(s.lifetime)
	if err != nil || lifetime <= 0 {
		return "", fmt.Errorf("%q is no duration; write it like 30m, 2h or 7d", s.lifetime)
	}
	var client netip.Addr
	if s.client != "" {
		if client, err = netip.ParseAddr(s.client); err != nil {
			return "", fmt.Errorf("the client: %w", err)
		}
	}
	action := live.ActionPlay
	if s.publish {
		action = live.ActionPublish
	}
	end := now.Add(lifetime)
	query := url.Values{
		s.expiryParam:    {strconv.FormatInt(end.Unix(), 10)},
		s.signatureParam: {hooks.Signature(secret, action, key, end, client)},
	}.Encode()
	if u.RawQuery != "" {
		query = u.RawQuery + "&" + query
	}
	u.RawQuery = query
	return u.String(), nil
}

// secret reads the secret, without the line feed at the end of a file.
func (s *urlSigner) secret() (string, error) {
	secret := os.Getenv(s.secretEnv)
	switch s.secretFile {
	case "":
	case "-":
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			return "", fmt.Errorf("reading the secret: %w", err)
		}
		secret = string(text)
	default:
		text, err := os.ReadFile(s.secretFile)
		if err != nil {
			return "", fmt.Errorf("reading the secret: %w", err)
		}
		secret = string(text)
	}
	// As {file.*} placeholders do, so that both sides have the same.
	secret = strings.TrimSuffix(strings.TrimSuffix(secret, "\n"), "\r")
	if secret == "" {
		return "", errors.New("the secret is empty, and such URLs are refused")
	}
	return secret, nil
}

// formatEndings are how URLs of streams end.
var formatEndings = []string{".flv", ".ts", ".m3u8", ".aac", ".mp3"}

// key returns the stream of a URL's path.
func (s *urlSigner) key(path string) (live.Key, error) {
	if s.stream != "" {
		path = s.stream
	}
	path = strings.TrimSuffix(path, "/index.m3u8")
	for _, ending := range formatEndings {
		path = strings.TrimSuffix(path, ending)
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) < 2 {
		return live.Key{}, errors.New("the path names no app and stream; write it like /live/cam1, or give them with --stream")
	}
	key := live.Key{Vhost: vhostName(s.vhost), App: parts[len(parts)-2], Name: parts[len(parts)-1]}
	return key, key.Validate()
}
