package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// pages returns the test pages of the folder browser, with the libraries that its package-lock.json names below /lib/. They
// are installed into dir, so that nothing is left in the source tree.
func pages(dir string) (http.Handler, error) {
	libraries := filepath.Join(dir, "pages")
	if err := os.MkdirAll(libraries, 0o700); err != nil {
		return nil, err
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		b, err := os.ReadFile(filepath.Join("browser", name))
		if err := errors.Join(err, os.WriteFile(filepath.Join(libraries, name), b, 0o600)); err != nil {
			return nil, err
		}
	}
	npm := exec.Command("npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = libraries
	if out, err := npm.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm ci; the first time it needs npm's registry: %w\n%s", err, out)
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir("browser")))
	mux.Handle("/lib/", http.StripPrefix("/lib/", http.FileServer(http.Dir(filepath.Join(libraries, "node_modules")))))
	return mux, nil
}
