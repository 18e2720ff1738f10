package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the server's own; Centrifuge adds its.
type metrics struct {
	requests  *prometheus.HistogramVec
	refused   *prometheus.CounterVec
	messages  *prometheus.CounterVec
	published prometheus.Counter
	logins    *prometheus.CounterVec
	refreshes *prometheus.CounterVec
	uploads   *prometheus.CounterVec
	received  prometheus.Counter
}

func newMetrics(reg *prometheus.Registry) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "chatsdk", Name: "http_request_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10},
		}, []string{"route", "status"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "chatsdk", Name: "connections_refused_total", Help: "Realtime connections that weren't let in.",
		}, []string{"route"}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "chatsdk", Name: "messages_total", Help: "Entries that were sent, by what became of them.",
		}, []string{"outcome"}),
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "chatsdk", Name: "publications_total", Help: "Messages handed to the stream.",
		}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "chatsdk", Name: "logins_total", Help: "Logins, by outcome.",
		}, []string{"outcome"}),
		refreshes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "chatsdk", Name: "refreshes_total", Help: "Refreshes of tokens, by outcome.",
		}, []string{"outcome"}),
		uploads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "chatsdk", Name: "uploads_total", Help: "Uploads, by what happened to them.",
		}, []string{"event"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "chatsdk", Name: "upload_bytes_total", Help: "Bytes of uploads that were taken.",
		}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.refused, m.messages, m.published, m.logins, m.refreshes, m.uploads, m.received} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) request(route string, status int, d time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(d.Seconds())
}
