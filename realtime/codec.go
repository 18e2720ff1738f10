package realtime

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/centrifugal/protocol"
	"github.com/coder/websocket"
)

// codec turns commands into bytes and frames into replies.
type codec Protocol

// maxReplies bounds the replies of a frame: an empty one takes two bytes, and a frame may be long.
const maxReplies = 1 << 20

func (c codec) messageType() websocket.MessageType {
	if Protocol(c) == Protobuf {
		return websocket.MessageBinary
	}
	return websocket.MessageText
}

func (c codec) subprotocol() string {
	if Protocol(c) == Protobuf {
		return "centrifuge-protobuf"
	}
	return "centrifuge-json"
}

// encode returns one command, in Protobuf with its length in front.
func (c codec) encode(cmd *protocol.Command) ([]byte, error) {
	if Protocol(c) == Protobuf {
		return protocol.NewProtobufCommandEncoder().Encode(cmd)
	}
	return protocol.NewJSONCommandEncoder().Encode(cmd)
}

// pack puts encoded commands into frames of at most limit bytes and count commands each, in order.
func (c codec) pack(cmds [][]byte, limit, count int) [][]byte {
	var frames [][]byte
	var frame []byte
	n := 0
	for _, cmd := range cmds {
		if n > 0 && (n >= count || len(frame)+1+len(cmd) > limit) {
			frames = append(frames, frame)
			frame, n = nil, 0
		}
		if n > 0 && Protocol(c) == JSON {
			frame = append(frame, '\n')
		}
		frame = append(frame, cmd...)
		n++
	}
	if n > 0 {
		frames = append(frames, frame)
	}
	return frames
}

// decode returns the replies of a frame, in order. Replies before a broken one are returned with the error.
func (c codec) decode(frame []byte) (replies []*protocol.Reply, err error) {
	defer func() {
		if r := recover(); r != nil { // the decoder reads what a stranger wrote
			replies, err = nil, fmt.Errorf("%w: frame breaks the decoder", ErrProtocol)
		}
	}()
	if len(bytes.TrimSpace(frame)) == 0 && Protocol(c) == JSON {
		return nil, fmt.Errorf("%w: empty frame", ErrProtocol)
	}
	var d protocol.ReplyDecoder = protocol.NewJSONReplyDecoder(frame)
	if Protocol(c) == Protobuf {
		d = protocol.NewProtobufReplyDecoder(frame)
	}
	for {
		r, err := d.Decode()
		if r != nil {
			if len(replies) >= maxReplies {
				return replies, fmt.Errorf("%w: too many replies in a frame", ErrProtocol)
			}
			replies = append(replies, r) // some decoders return the last one together with io.EOF
		}
		if errors.Is(err, io.EOF) {
			return replies, nil
		}
		if err != nil {
			return replies, fmt.Errorf("%w: %v", ErrProtocol, err) //nolint:errorlint // the decoder's errors are not for callers
		}
	}
}
