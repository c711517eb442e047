module github.com/caddy-rtmp/caddy-rtmp

go 1.26.0
