#!/bin/sh
#
# Builds Caddy with this plugin, and runs it.
#
#	./xcaddy.sh build [xcaddy arguments]    builds ./caddy
#	./xcaddy.sh run   [xcaddy arguments]    builds ./caddy if it is missing, older than the source, or arguments are
#	                                        given; then runs Caddyfile.example and prints the URLs
#
# The arguments add other plugins, for example: ./xcaddy.sh build --with github.com/caddy-dns/cloudflare
# RTMP on shared ports: ./xcaddy.sh build --with github.com/caddy-rtmp/caddy-rtmp/caddymodule/l4 --with github.com/mholt/caddy-l4
#
# Environment of build:
#	CADDY_VERSION   the Caddy to build (default v2.11.9)
#	XCADDY          the xcaddy to use (default: built once into the user's cache folder)
#	GOOS, GOARCH …  build for another system
# Environment of run, read by Caddyfile.example:
#	DOMAIN          the name of the server (default localhost, with a certificate of Caddy's own authority)
#	HTTP_PORT       default 8080; set 80 with a public name
#	HTTPS_PORT      default 8443; set 443 with a public name
#	RTMP_PORT       default 1935
#	RTMPS_PORT      default 1936
#	API_TOKEN       admits callers of the API from elsewhere (default: this machine only)
#
# ./caddy reload reads Caddyfile.example again, in its own environment: give it the same.

set -eu

xcaddy_version=v0.4.6
caddy_version=${CADDY_VERSION:-v2.11.9}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

say() { printf '%s\n' "xcaddy.sh: $*" >&2; }

die() { # <exit status> <message>
	status=$1
	shift
	say "$*"
	exit "$status"
}

usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "$0"; }

# field prints the value of a one-word directive of go.mod.
field() { sed -n "s/^$1 //p" "$here/go.mod"; }

# need_go ends the script with 127 unless a Go that can build us is there. A Go that is merely older fetches the one
# that go.mod names by itself, unless that is switched off (GOTOOLCHAIN=local).
need_go() {
	want=$(field go)
	command -v go >/dev/null 2>&1 ||
		die 127 "Go $want or newer is needed and was not found. Get it from https://go.dev/dl/ and put it in PATH."
	have=$(cd "$here" && go env GOVERSION) ||
		die 127 "Go $want or newer is needed, and $(command -v go) does not work. Get it from https://go.dev/dl/"
	have=${have#go}
	case $have in [!0-9]*) return ;; esac # built from Go's own repository
	newest=$(printf '%s\n' "$want" "$have" | sort -t. -k1,1n -k2,2n -k3,3n | tail -n 1)
	[ "$newest" = "$have" ] ||
		die 127 "Go $want or newer is needed; this is $have with GOTOOLCHAIN=$(go env GOTOOLCHAIN). Get it from https://go.dev/dl/"
}

# find_xcaddy sets $xcaddy: what the user names, or one of a known version from the cache, built there the first time,
# or what lies in PATH. It fails when there is none.
find_xcaddy() {
	if [ -n "${XCADDY:-}" ]; then
		xcaddy=$XCADDY
		return
	fi
	cache=${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/caddy-rtmp
	xcaddy=$cache/xcaddy-$xcaddy_version
	if [ -x "$xcaddy" ] || build_xcaddy; then
		return
	fi
	if xcaddy=$(command -v xcaddy); then
		say "xcaddy $xcaddy_version cannot be had, using $xcaddy"
		return
	fi
	return 1
}

# build_xcaddy builds it for this machine in a module of its own, so that it enters nobody's go.mod.
build_xcaddy() {
	say "building xcaddy $xcaddy_version"
	(
		unset GOOS GOARCH GOARM
		export GOWORK=off
		cd "$work" &&
			printf 'module tools\n\ngo %s\n' "$(field go)" >go.mod &&
			go get -tool "github.com/caddyserver/xcaddy/cmd/xcaddy@$xcaddy_version" &&
			mkdir -p "$cache" &&
			go build -trimpath -o "$xcaddy.$$" github.com/caddyserver/xcaddy/cmd/xcaddy &&
			mv "$xcaddy.$$" "$xcaddy"
	)
}

build() {
	need_go
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM

	out=$here/caddy$(go env GOEXE)
	if find_xcaddy; then
		say "building Caddy $caddy_version with this plugin; the first time takes some minutes"
		# The replacement of all versions lets --with name packages of ours, such as caddymodule/l4.
		module=$(field module)
		"$xcaddy" build "$caddy_version" --with "$module@v0.0.0=$here" --replace "$module=$here" --output "$out" "$@" ||
			die 1 "the build failed. It fetches Caddy and its modules from Go's module proxy, so it needs the network the first time."
	elif [ $# -eq 0 ]; then
		say "xcaddy cannot be had; building cmd/caddy with go build, and the Caddy that go.mod names"
		(cd "$here" && go build -trimpath -buildvcs=false -ldflags '-s -w' -tags nobadger,nomysql,nopgx -o "$out" ./cmd/caddy) ||
			die 1 "the build failed. It fetches Caddy and its modules from Go's module proxy, so it needs the network the first time."
	else
		die 1 "xcaddy cannot be had, and without it nothing can be added ($*)"
	fi

	rm -rf "$work"
	trap - EXIT HUP INT TERM
}

# stale reports that ./caddy is missing or older than the source.
stale() {
	[ ! -x "$here/caddy" ] ||
		[ -n "$(find "$here" -name '.?*' -prune -o -type f \( -name '*.go' -o -name go.mod -o -name go.sum \) -newer "$here/caddy" -print)" ]
}

# fetch prints what a URL answers; it fails if nothing does. It returns 2 if there is no program to ask with.
fetch() {
	if command -v curl >/dev/null 2>&1; then
		curl -fsS --max-time 2 --noproxy '*' "$1" 2>/dev/null
	elif command -v wget >/dev/null 2>&1; then
		http_proxy='' wget -q -T 2 -O - "$1" 2>/dev/null
	else
		return 2
	fi
}

# loaded reports that the Caddy behind the admin address has a configuration: its servers listen then.
loaded() {
	answer=$(fetch "http://$admin/config/") || return
	[ "$answer" != null ]
}

# announce waits until the process $1 has loaded its configuration and prints the URLs. It prints nothing if it never does.
announce() {
	tries=0
	until loaded; do
		[ $? -ne 2 ] || [ $tries -lt 20 ] || break # no way to ask: it has lived for some seconds
		tries=$((tries + 1))
		[ $tries -lt 400 ] || return 0
		sleep 0.25 2>/dev/null || sleep 1
		kill -0 "$1" 2>/dev/null || return 0
	done
	kill -0 "$1" 2>/dev/null && banner
}

# address prints a scheme, the name and the port, unless the port is the scheme's own.
address() { # <scheme> <port> <port of the scheme>
	if [ "$2" = "$3" ]; then
		printf '%s' "$1://$DOMAIN"
	else
		printf '%s' "$1://$DOMAIN:$2"
	fi
}

banner() {
	rtmp=$(address rtmp "$RTMP_PORT" 1935)
	rtmps=$(address rtmps "$RTMPS_PORT" 443)
	http=$(address http "$HTTP_PORT" 80)
	https=$(address https "$HTTPS_PORT" 443)
	if [ -n "${API_TOKEN:-}" ]; then
		# shellcheck disable=SC2016 # the variable's name is printed, not the secret
		who='with "Authorization: Bearer $API_TOKEN", or from this machine'
	else
		who='from this machine only; set API_TOKEN to admit others'
	fi
	reload='./caddy reload --config Caddyfile.example'
	[ "$(readlink "$here/Caddyfile" 2>/dev/null)" != Caddyfile.example ] || reload='./caddy reload'
	cat <<END

caddy-rtmp is up.

  Publish
    OBS: server        $rtmp/live
         stream key    test
         over TLS      $rtmps/live
    ffmpeg             ffmpeg -re -i film.mp4 -c copy -f flv $rtmp/live/test
  Play
    HTTP-FLV           $https/live/test.flv
    HLS                $https/live/test.m3u8
                       $https/live/test/index.m3u8
    HTTP-TS            $https/live/test.ts
    RTMP               $rtmp/live/test
    without TLS        $http/live/test.flv  (and the others)
  API                  $https/api/v1/streams/
                       $who

  $reload
                       after an edit of Caddyfile.example; nobody is dropped
  ./caddy stop         or Ctrl-C
END
	if [ "$DOMAIN" = localhost ]; then
		cat <<END
  The certificate comes from Caddy's own authority: browsers warn until ./caddy trust, curl wants -k.
END
	fi
	echo
}

run() {
	if [ $# -gt 0 ] || stale; then
		build "$@"
	fi
	export DOMAIN="${DOMAIN:-localhost}"
	export HTTP_PORT="${HTTP_PORT:-8080}" HTTPS_PORT="${HTTPS_PORT:-8443}"
	export RTMP_PORT="${RTMP_PORT:-1935}" RTMPS_PORT="${RTMPS_PORT:-1936}"

	# Two Caddys of one user can share ports, and reload and stop would then reach either.
	admin=${CADDY_ADMIN:-localhost:2019}
	if loaded; then
		die 1 "a Caddy runs already (its admin API answers on $admin). Stop it with ./caddy stop, or set CADDY_ADMIN to another address."
	fi

	# What ./caddy reload reads when it is told nothing else.
	[ -e "$here/Caddyfile" ] || ln -s Caddyfile.example "$here/Caddyfile" 2>/dev/null || true

	# Caddy takes the place of this shell, so signals and the exit status are its own. What announces it stands beside it.
	(announce $$ &)
	exec "$here/caddy" run --config "$here/Caddyfile.example" --adapter caddyfile
}

case ${1:-} in
build | run)
	command=$1
	shift
	"$command" "$@"
	;;
help | -h | --help)
	usage
	;;
*)
	usage >&2
	exit 2
	;;
esac
