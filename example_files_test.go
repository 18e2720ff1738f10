package chatsdk_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
)

// signedIn is a client of ada's, as in ExampleOpen, and a folder with a file.
func signedIn(ctx context.Context) (client *chatsdk.Client, folder string, stop func()) {
	address, folder, end := startServer()
	client, err := chatsdk.Open(ctx, chatsdk.Options{Server: address, Store: chatsdk.InMemory()})
	if err == nil {
		err = client.SignIn(ctx, "ada", "correct horse")
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "photo.jpg"), make([]byte, 1<<20), 0o600)
	}
	if err != nil {
		log.Fatal(err)
	}
	client.Connect()
	return client, folder, func() { _ = client.Close(); end() }
}

func ExampleClient_SendFiles() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, folder, stop := signedIn(ctx)
	defer stop()

	// Both are kept when this returns: the message goes out once the file is at the server and its SHA-256 is right,
	// after an outage or in the next run if need be.
	_, err := client.SendFiles(ctx, outbox.Entry{Channel: "general", Text: "look"}, chatsdk.File{Path: filepath.Join(folder, "photo.jpg")})
	if err != nil {
		log.Fatal(err)
	}
	for m, err := range client.Messages(ctx, "general") {
		if err != nil {
			log.Fatal(err)
		}
		for _, a := range chatsdk.Attachments(m) { // whoever gets the message downloads it, from the last byte on if it breaks off
			got, err := client.Download(ctx, chatsdk.DownloadRequest{Attachment: a, Dir: os.TempDir(), Overwrite: true})
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(m.Text, filepath.Base(got.Path), got.Size)
		}
		break
	}
	// Output: look photo.jpg 1048576
}
