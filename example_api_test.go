package chatsdk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

// startAPI is a server that is in trouble for its first two answers.
func startAPI() (address string, stop func()) {
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n++; n < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, `{"name":"ada"}`)
	}))
	return srv.URL, srv.Close
}

func Example_api() {
	address, stop := startAPI() // anybody's server
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	client, err := api.New(api.Options{BaseURL: address}) // client.HTTP() is an *http.Client of it
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	user, err := api.Do[struct{ Name string }](ctx, client, api.Request{Path: "/users/1"})
	var failed *api.Error
	if errors.As(err, &failed) {
		log.Fatal(failed.Fault, failed.Status, failed.Attempts) // whose fault, and what was tried
	}
	fmt.Println(user.Name)
	// Output: ada
}
