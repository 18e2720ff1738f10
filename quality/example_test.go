package quality_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// pong answers pings as our server does.
func pong(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Chatsdk-Challenge", r.URL.Query().Get("c"))
	w.WriteHeader(http.StatusNoContent)
}

func ExampleMonitor() {
	srv := httptest.NewServer(http.HandlerFunc(pong)) // anybody's server
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	monitor, err := quality.New(quality.Options{PingURL: srv.URL + "/api/health/ping"})
	if err != nil {
		log.Fatal(err)
	}
	defer monitor.Close()
	changes := monitor.Watch(ctx) // the present state at once, then each change
	if err := monitor.Start(); err != nil {
		log.Fatal(err)
	}
	for change := range changes {
		fmt.Println(change.Reach) // and change.Level, .RTT.Median, .Confidence, …
		if change.Edge() == quality.EdgeOnline {
			break
		}
	}
	// What happens anyway is told, so that nobody has to probe for it.
	monitor.Observe(quality.Sample{Kind: quality.KindRoundTrip, Source: quality.SourceCall, RTT: 80 * time.Millisecond})
	// Output:
	// unknown
	// online
}
