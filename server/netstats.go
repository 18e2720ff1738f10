package server

import (
	"context"
	"encoding/json"
	"net"

	"github.com/chatsdk/chatsdk/internal/tcpinfo"
	"github.com/chatsdk/chatsdk/internal/wire"
)

// socketKey finds the network connection in the context of a request that came on it.
type socketKey struct{}

// withSocket is http.Server's ConnContext. It fits connections under TLS, too: tcpinfo looks through it.
func withSocket(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, socketKey{}, c)
}

// rpcNetStats tells what this end counts of the connection that asks. The client's own kernel sees what is lost on the
// way up only.
func (s *Server) rpcNetStats(ctx context.Context) ([]byte, error) {
	conn, _ := ctx.Value(socketKey{}).(net.Conn) // nil if another server than Serve's accepted it
	counters, err := tcpinfo.Open(conn)
	if err != nil {
		return nil, rpcProblem(problem(wire.CodeNotFound, ""))
	}
	stats, err := counters.Read()
	if err != nil {
		return nil, rpcProblem(problem(wire.CodeNotFound, ""))
	}
	return json.Marshal(wire.NetStats{
		Segments: stats.Sent, Retransmitted: stats.Retransmitted, Duplicates: stats.Duplicates,
		SRTTMicros: stats.SRTT.Microseconds(), RTTVarMicros: stats.RTTVar.Microseconds(), MinRTTMicros: stats.MinRTT.Microseconds(),
		BytesSent: stats.BytesSent, BytesAcked: stats.BytesAcked, BytesReceived: stats.BytesReceived,
		DeliveryBytesPerSecond: stats.DeliveryRate, AppLimited: stats.AppLimited,
	})
}
