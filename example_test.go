package chatsdk_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// startServer is what `chatsdk serve` and `chatsdk user add ada` do, in this process; folder may be used.
func startServer() (address, folder string, stop func()) {
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
	folder, err = os.MkdirTemp("", "example")
	must(err)
	s, err := server.New(server.Config{
		Store: db, Key: key, Argon: server.Argon{Time: 1, MemoryKiB: 8, Threads: 1},
		Uploads: server.Uploads{Dir: filepath.Join(folder, "uploads")},
	})
	must(err)
	must(s.Start(ctx))
	must(s.AddUser(ctx, "ada", "correct horse"))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	return "http://" + ln.Addr().String(), folder, func() {
		must(s.Kill())
		must(<-served)
		must(db.Close())
		must(os.RemoveAll(folder))
	}
}

func ExampleOpen() {
	address, folder, stop := startServer() // chatsdk serve
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	store, err := profile.Open(folder) // keeps the session, what is queued and what was received
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	client, err := chatsdk.Open(ctx, chatsdk.Options{Server: address, Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if _, _, in := client.Session(); !in { // tries until there is a network; the next run needs no password
		if err := client.SignIn(ctx, "ada", "correct horse"); err != nil {
			log.Fatal(err)
		}
	}
	client.Connect() // and stays connected from here on
	if _, err := client.Send(ctx, "general", "hi"); err != nil {
		log.Fatal(err) // an outage is no error: what was queued goes out after it, or after a restart
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
