// Package agent serves a client's state on this machine: to a page, to a command, to a user interface in any language.
//
// One process has the profile open and owns the client; whoever wants to see or to do something asks it over HTTP, on a
// loopback address or a unix socket, with a token. docs/agent.md has the API. The page that comes with it is at /.
//
// One goroutine turns what the client tells into numbered events and one snapshot. Streams keep nothing of their own but
// the number of the last event that they wrote: a slow one takes what is newest when it comes to it.
package agent
