#!/usr/bin/env bash
#
# Installs what the tests need (where there is apt) and runs every check, in the order of the list below. It ends at the
# first that fails; nothing is skipped.
#
#	./test.sh               all of them
#	./test.sh lint unit     these only
#
# Environment:
#	FUZZTIME   how long each fuzz target of what strangers send runs: inputs (default 100000x) or a time (20m); the others
#	           run 50000 inputs

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

steps=(tools format vet lint tidy scripts unit cross fuzz build run e2e)

golangci_lint_version=v2.15.0
fuzztime=${FUZZTIME:-100000x}
strangers='./rtmpapp/wire ./live ./muxers/codec' # the parsers of chunks, AMF0, tags and codec records
cache=${XDG_CACHE_HOME:-$HOME/.cache}/caddy-rtmp
work=$(mktemp -d)
current=start
PATH=$PATH:/usr/sbin # where Debian has nginx

finish() {
	local status=$?
	[ -z "${server:-}" ] || kill "$server" 2>/dev/null || true
	rm -rf "$work"
	[ $status -eq 0 ] || printf '\n### FAILED: %s\n' "$current" >&2
}
trap finish EXIT

fail() {
	printf 'test.sh: %s\n' "$*" >&2
	exit 1
}

# --- tools: what the tests call -----------------------------------------------------------------------------------

# missing prints the packages that have to be installed, under their Debian names.
missing() {
	local package tool element
	while read -r package tool; do
		command -v "$tool" >/dev/null || echo "$package"
	done <<-END
		chromium chromium
		curl curl
		ffmpeg ffmpeg
		ffmpeg ffplay
		ffmpeg ffprobe
		gcc cc
		git git
		gstreamer1.0-tools gst-inspect-1.0
		gstreamer1.0-tools gst-launch-1.0
		jq jq
		libnss3-tools certutil
		nginx-light nginx
		nodejs node
		npm npm
		obs-studio obs
		prometheus promtool
		python3 python3
		rtmpdump rtmpdump
		shellcheck shellcheck
		vlc-bin vlc
		xvfb Xvfb
	END
	while read -r package element; do
		gst-inspect-1.0 --exists "$element" 2>/dev/null || echo "$package"
	done <<-END
		gstreamer1.0-libav avdec_h264
		gstreamer1.0-plugins-bad rtmp2src
		gstreamer1.0-plugins-bad tsdemux
		gstreamer1.0-plugins-base decodebin
		gstreamer1.0-plugins-good flvdemux
		gstreamer1.0-plugins-good souphttpsrc
	END
	# VLC does not say as root which plugins it has.
	compgen -G '/usr/lib/*/vlc/plugins/access/libavio_plugin.so' >/dev/null || echo vlc-plugin-base
}

tools() {
	local packages sudo=''
	command -v go >/dev/null || fail "Go $(sed -n 's/^go //p' go.mod) or newer is needed: https://go.dev/dl/"
	go version
	packages=$(missing | sort -u | xargs)
	if [ -n "$packages" ]; then
		command -v apt-get >/dev/null ||
			fail "missing, and there is no apt to install it with (Debian's names): $packages"
		[ "$(id -u)" -eq 0 ] || sudo=sudo
		echo "installing $packages"
		# shellcheck disable=SC2086 # a list of words
		{ $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages; } \
			>"$work/apt" 2>&1 || { cat "$work/apt" && fail "apt-get could not install $packages"; }
		packages=$(missing | sort -u | xargs)
		[ -z "$packages" ] || fail "still missing after installing: $packages"
	fi
	ffmpeg -version | sed -n 1p
	gst-launch-1.0 --version | sed -n 1p
	golangci_lint version
}

# golangci_lint runs it. The first time it is built for this Go, in a module of its own that enters nobody's go.mod.
golangci_lint() {
	bin=$cache/golangci-lint-$golangci_lint_version-$(go env GOVERSION)
	if [ ! -x "$bin" ]; then
		echo "building golangci-lint $golangci_lint_version; this takes some minutes the first time"
		mkdir -p "$cache" "$work/tools"
		(
			export GOWORK=off
			printf 'module tools\n\n%s\n' "$(grep '^go ' go.mod)" >"$work/tools/go.mod"
			cd "$work/tools"
			go get -tool "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$golangci_lint_version" 2>log ||
				{ cat log && exit 1; }
			go build -trimpath -o "$bin.$$" github.com/golangci/golangci-lint/v2/cmd/golangci-lint
			mv "$bin.$$" "$bin"
		)
	fi
	"$bin" "$@"
}

# --- what reads the sources ---------------------------------------------------------------------------------------

# format checks with the gofumpt and the order of imports that golangci-lint holds.
format() {
	golangci_lint fmt --diff || fail "not formatted: run $bin fmt"
}

vet() {
	go vet ./...
}

lint() {
	golangci_lint run ./...

	# Outside the end-to-end tests and benchmarks a sleep is only for the fake clock.
	local file bad=0
	while read -r file; do
		grep -q '"testing/synctest"' "$file" || { echo "$file: time.Sleep without testing/synctest" && bad=1; }
	done < <(grep -rl --include='*_test.go' 'time\.Sleep(' . | grep -Ev '^\./e2e/|/bench_test\.go$')
	return $bad
}

tidy() {
	go mod tidy -diff
	GOWORK=off go -C e2e/pebble mod tidy -diff
}

scripts() {
	find . -name .git -prune -o -type f \( -name '*.sh' -o -path './.ci/run' \) -print -exec shellcheck {} +

	# Without Go xcaddy.sh says what it needs.
	local tool status=0
	mkdir "$work/bin"
	for tool in dirname sed sh; do
		ln -s "$(command -v $tool)" "$work/bin/$tool"
	done
	PATH=$work/bin ./xcaddy.sh build 2>"$work/nogo" || status=$?
	cat "$work/nogo"
	[ $status -eq 127 ] || fail "xcaddy.sh without Go ended with $status, not 127"
	grep -q "Go $(sed -n 's/^go //p' go.mod) or newer" "$work/nogo" || fail "xcaddy.sh does not say which Go it needs"
}

# --- what runs them -----------------------------------------------------------------------------------------------

unit() {
	go list ./... | grep -Ev '/e2e(/|$)' >"$work/packages"
	xargs go test -race -shuffle=on -timeout 10m <"$work/packages" 2>&1 | tee -a "$work/go-test"
	go test -run '^TestRecordedSessionsCutAnywhere$' ./rtmpapp # whole sessions take too long with the race detector
}

# cross compiles what needs no Caddy for 32-bit ARM, and runs its tests as 386, which a kernel for amd64 does as well. The
# rest is compiled for these and more systems by .github/workflows/ci.yml: there Caddy has to be compiled anew for each.
cross() {
	go list -f '{{.ImportPath}} {{join .Deps " "}}' ./... | sed -n '/github.com\/caddyserver/!s/ .*//p' |
		grep -Ev '/e2e(/|$)' >"$work/portable"
	GOOS=linux GOARCH=arm xargs go build <"$work/portable"
	GOOS=linux GOARCH=386 xargs go test -timeout 10m <"$work/portable" 2>&1 | tee -a "$work/go-test"
}

fuzz() {
	local package target count=0
	grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n 1 dirname | sort -u >"$work/fuzzed"
	while read -r package; do
		go test -list '^Fuzz' "$package" >"$work/targets"
		while read -r target; do
			printf -- '--- %s %s\n' "$package" "$target"
			fuzz_one "$package" "$target" </dev/null
			count=$((count + 1))
		done < <(grep '^Fuzz' "$work/targets")
	done <"$work/fuzzed"
	[ $count -gt 0 ] || fail "no fuzz target was found"
	echo "$count fuzz targets"
}

# fuzz_one runs one target. It counts inputs rather than time: at the end of its time Go 1.26 can take its own deadline
# for a failure (golang/go#75804).
fuzz_one() {
	local time=50000x
	[[ " $strangers " != *" $1 "* ]] || time=$fuzztime
	# What is interesting is not made smaller: that takes most of the time, and nobody keeps it here.
	go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 1s "$1" 2>&1 | grep -v '^fuzz: elapsed.*(total'
}

build() {
	./xcaddy.sh build
	./caddy version
	./caddy list-modules >"$work/modules"
	local module
	for module in \
		rtmp \
		http.handlers.rtmp_flv \
		http.handlers.rtmp_ts \
		http.handlers.rtmp_audio \
		http.handlers.rtmp_hls \
		http.handlers.rtmp_api \
		admin.api.rtmp \
		rtmp.authenticators.basic \
		rtmp.authenticators.forward \
		rtmp.authenticators.jwt \
		rtmp.authenticators.provider \
		rtmp.authenticators.signed_url \
		rtmp.authenticators.token \
		rtmp.hooks.http \
		rtmp.hooks.caddy_events; do
		grep -Fx "$module" "$work/modules" || fail "the binary lacks the module $module"
	done

	# One with what users may add. The end-to-end tests of shared ports run it.
	./xcaddy.sh build --output "$PWD/caddy-l4" \
		--with "$(sed -n 's/^module //p' go.mod)/caddymodule/l4" \
		--with "github.com/mholt/caddy-l4@$(sed -n 's|^\tgithub.com/mholt/caddy-l4 ||p' go.mod)"
	./caddy-l4 list-modules >"$work/modules"
	for module in layer4.handlers.rtmp layer4.matchers.rtmp; do
		grep -Fx "$module" "$work/modules" || fail "the binary lacks the module $module"
	done

	local file
	while read -r file; do
		echo "caddy fmt $file"
		./caddy fmt --diff "$file" >"$work/diff" || { grep '^[+-]' "$work/diff" && fail "$file: run ./caddy fmt --overwrite"; }
	done < <(find . -name .git -prune -o -type f \( -name 'Caddyfile*' -o -name '*.caddyfile' \) -print)
}

# run starts the server as a new user does, on ports of its own, and stops it.
run() {
	local port=$((20000 + $$ % 10000)) i status=0
	local -x CADDY_ADMIN=localhost:$((port + 4)) DOMAIN=localhost API_TOKEN=
	local -x HTTP_PORT=$port HTTPS_PORT=$((port + 1)) RTMP_PORT=$((port + 2)) RTMPS_PORT=$((port + 3))
	local -x XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data

	./xcaddy.sh run >"$work/out" 2>"$work/err" &
	server=$!
	for ((i = 0; i < 300; i++)); do
		! grep -q 'caddy-rtmp is up' "$work/out" || break
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	grep -q 'caddy-rtmp is up' "$work/out" || { cat "$work/out" "$work/err" && fail "it did not come up"; }
	cat "$work/out"

	curl -fsSk --noproxy '*' "https://localhost:$HTTPS_PORT/api/v1/versions" | jq -ce '.code == 0' >/dev/null || fail "the API does not answer"
	./xcaddy.sh run >"$work/second" 2>&1 && fail "a second one started" # the one that runs is named
	grep -q 'runs already' "$work/second"
	./caddy reload --config Caddyfile.example --adapter caddyfile 2>/dev/null || fail "reload failed"
	./caddy stop 2>/dev/null || fail "stop failed"
	wait "$server" || status=$?
	server=
	[ $status -eq 0 ] || { cat "$work/err" && fail "it ended with $status"; }
}

e2e() {
	if [ ! -x caddy ] || [ ! -x caddy-l4 ]; then
		build
	fi
	[ -n "$(find e2e -name '*_test.go' -print -quit)" ] || fail "there are no end-to-end tests"
	CADDY_BIN=$PWD/caddy CADDY_L4_BIN=$PWD/caddy-l4 go test -race -count=1 -timeout 15m ./e2e/... 2>&1 | tee -a "$work/go-test"
}

# ------------------------------------------------------------------------------------------------------------------

[ $# -gt 0 ] || set -- "${steps[@]}"
for current in "$@"; do
	[[ " ${steps[*]} " == *" $current "* ]] || fail "no such step; there are: ${steps[*]}"
done

times=()
for current in "$@"; do
	printf '\n### %s\n' "$current"
	begin=$SECONDS
	"$current"
	times+=("$(printf '%5ds  %s' $((SECONDS - begin)) "$current")")
done

printf '\n### passed in %ds\n' "$SECONDS"
printf '%s\n' "${times[@]}"
[ ! -s "$work/go-test" ] || { echo && cat "$work/go-test"; }
