// Package e2e tests the built binary as its users meet it: real encoders publish, real players and the clients that Go
// has watch, and all of it goes through the command line, sockets and certificates.
//
// The binary is $CADDY_BIN, or built for the run. Each test has a server of its own, with its own ports and folders, so
// they run side by side. A tool that is missing fails the run.
package e2e
