package realtime

import (
	"encoding/json"

	"github.com/centrifugal/protocol"
)

// call is an RPC on its way. It settles once: done has room for one result, and only the owner writes to it.
type call struct {
	method  string
	data    []byte
	done    chan callResult
	settled bool // owner only
}

type callResult struct {
	data []byte
	err  error
}

func (c *call) settle(data []byte, err error) {
	if !c.settled {
		c.settled = true
		c.done <- callResult{data, err}
	}
}

func (c *call) answer(r *protocol.Reply) {
	switch {
	case r.Error != nil:
		c.settle(nil, rpcError(r.Error))
	case r.Rpc != nil:
		c.settle(r.Rpc.Data, nil)
	default:
		c.settle(nil, ErrProtocol)
	}
}

// newCall checks what can be checked without a connection.
func (c *Client) newCall(method string, data []byte) (*call, error) {
	if c.o.Protocol == JSON && len(data) > 0 && !json.Valid(data) {
		return nil, ErrInvalidData
	}
	if len(method)+len(data)+64 > c.o.FrameLimit {
		return nil, ErrTooLarge
	}
	return &call{method: method, data: data, done: make(chan callResult, 1)}, nil
}

func (o *owner) startCall(c *call) {
	l := o.link
	if l == nil || !l.up {
		c.settle(nil, ErrNotConnected)
		return
	}
	if c.settled {
		return
	}
	if len(l.pending) >= o.o.PendingLimit {
		c.settle(nil, ErrBusy)
		return
	}
	now := o.stamp()
	cmds := o.encode(nil, &command{kind: cmdCall, call: c}, &protocol.Command{Rpc: &protocol.RPCRequest{Method: c.method, Data: c.data}})
	if len(cmds) == 0 {
		c.settle(nil, ErrTooLarge)
		return
	}
	if !o.transmit(now, cmds) {
		o.ended(l.pending[l.lastID].exchange, false, ExchangeDropped)
		delete(l.pending, l.lastID)
		c.settle(nil, ErrBusy)
	}
}

// abandonCall forgets a call whose caller has gone. The command stays pending: its answer is still a sign of life.
func (o *owner) abandonCall(c *call) {
	c.settled = true
	if o.link == nil {
		return
	}
	for _, cmd := range o.link.pending {
		if cmd.call == c {
			cmd.call = nil
		}
	}
}
