// Package chatsdk is a chat client that keeps working on bad networks.
//
// A Client signs a device in, keeps one connection to the server, sends what was queued once and in order, and shows
// every message of a channel in order and without a gap, whatever happens to the network in between:
//
//	client, err := chatsdk.Open(ctx, chatsdk.Options{Server: "http://localhost:8080", Store: chatsdk.InMemory()})
//	…
//	defer client.Close()
//	if err := client.SignIn(ctx, "ada", password); err != nil { … }
//	client.Connect()
//	client.Send(ctx, "general", "hi")
//	for m, err := range client.Messages(ctx, "general") { … }
//
// The parts are packages of their own and usable alone: realtime is the connection, outbox the queue of what goes out,
// inbox the cache of what came in. None of them imports another; this package is where they meet.
package chatsdk
