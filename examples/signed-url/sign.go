// Command signed-url prints the query that signs a URL, from the action (play or publish), the stream (/app/stream), the
// expiry (in seconds since 1970) and, if only that client may use the URL, its IP address. The secret is in SIGNING_SECRET.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
)

func sign(secret, action, stream, expiry, client string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strings.Join([]string{action, stream, expiry, client}, "\n")))
	return "exp=" + expiry + "&sig=" + hex.EncodeToString(mac.Sum(nil))
}

func main() {
	args := slices.Concat(os.Args[1:], []string{""})
	fmt.Println(sign(os.Getenv("SIGNING_SECRET"), args[0], args[1], args[2], args[3]))
}
