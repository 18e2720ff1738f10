package chatsdk_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// startServer is what `chatsdk serve` and `chatsdk user add ada` do, in this process.
func startServer() (address string, stop func()) {
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	db, err := sqlite.OpenMemory(ctx, "example")
	must(err)
	key, err := db.Key(ctx)
	must(err)
	s, err := server.New(server.Config{Store: db, Key: key, Argon: server.Argon{Time: 1, MemoryKiB: 8, Threads: 1}})
	must(err)
	must(s.Start(ctx))
	must(s.AddUser(ctx, "ada", "correct horse"))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	return "http://" + ln.Addr().String(), func() {
		must(s.Kill())
		must(<-served)
		must(db.Close())
	}
}

func ExampleOpen() {
	address, stop := startServer() // chatsdk serve
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	client, err := chatsdk.Open(ctx, chatsdk.Options{Server: address, Store: chatsdk.InMemory()})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := client.SignIn(ctx, "ada", "correct horse"); err != nil { // tries until there is a network
		log.Fatal(err)
	}
	client.Connect() // and stays connected from here on
	if _, err := client.Send(ctx, "general", "hi"); err != nil {
		log.Fatal(err) // an outage is no error: what was queued goes out after it
	}
	for m, err := range client.Messages(ctx, "general") { // in order, each once, until ctx ends
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s: %s\n", m.Seq, m.User, m.Text)
		break
	}
	// Output: 1 ada: hi
}
