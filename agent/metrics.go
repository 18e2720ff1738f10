package agent

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

// metrics are the client's, in a registry of their own. What the client knows is asked when they are.
type metrics struct {
	a         *Agent
	connected prometheus.Counter
	entries   *prometheus.Desc
	bytes     *prometheus.Desc
	state     *prometheus.Desc
	level     *prometheus.Desc
	rtt       *prometheus.Desc
	events    *prometheus.Desc
	streams   *prometheus.Desc
	handler   http.Handler
}

func newMetrics(a *Agent) (*metrics, error) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("chatsdk_client_"+name, help, labels, nil)
	}
	m := &metrics{
		a: a,
		connected: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chatsdk_client_connections_total", Help: "Connections that were made; all but the first are reconnects.",
		}),
		entries: desc("outbox_entries", "Messages on their way out.", "state"),
		bytes:   desc("outbox_bytes", "Bytes of them."),
		state:   desc("connection_state", "1 for the state that the connection is in.", "state"),
		level:   desc("quality_level", "1 for the level that the network has.", "level"),
		rtt:     desc("rtt_seconds", "Median round-trip time; absent while it isn't known."),
		events:  desc("agent_events_total", "Events that were told."),
		streams: desc("agent_streams", "Streams of events that are open."),
	}
	reg := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{m, m.connected} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	m.handler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	return m, nil
}

func (m *metrics) serve(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// Describe names the metrics.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.entries, m.bytes, m.state, m.level, m.rtt, m.events, m.streams} {
		out <- d
	}
}

// Collect asks for their values.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	s := m.a.client.State()
	m.a.mu.Lock()
	seq, streams := m.a.ring.seq, m.a.streams
	m.a.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(m.entries, float64(s.Queue.Queued), "queued")
	gauge(m.entries, float64(s.Queue.Sending), "sending")
	gauge(m.entries, float64(s.Queue.Parked), "parked")
	gauge(m.bytes, float64(s.Queue.Bytes))
	for state := realtime.Disconnected; state <= realtime.Failed; state++ {
		gauge(m.state, flag(state == s.Connection.State), state.String())
	}
	for level := quality.Unknown; level <= quality.Offline; level++ {
		gauge(m.level, flag(level == s.Quality.Level), level.String())
	}
	if rtt := s.Quality.RTT.Median; rtt > 0 {
		gauge(m.rtt, float64(rtt)/float64(time.Second))
	}
	gauge(m.streams, float64(streams))
	out <- prometheus.MustNewConstMetric(m.events, prometheus.CounterValue, float64(seq))
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
