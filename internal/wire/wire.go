// Package wire holds the JSON shapes of the server's API: what the facade sends and the server answers.
//
// Only those two import it. Field names are a contract with programs outside this module: they are added to, never
// renamed. Times are RFC 3339 in UTC, durations say their unit in the name.
package wire

import (
	"encoding/json"
	"time"
)

// APIVersion is the version of the API that this module speaks. It rises when an old client could misread a new
// server; fields that are only added don't raise it.
const APIVersion = 1

// Header names of the server's own headers.
const (
	// HeaderAPI carries APIVersion on every reply.
	HeaderAPI = "Chatsdk-Api"
	// HeaderLimits carries Limits as JSON on every reply.
	HeaderLimits = "Chatsdk-Limits"
	// HeaderCapabilities carries a comma-separated list of Capability names on every reply.
	HeaderCapabilities = "Chatsdk-Capabilities"
	// HeaderChallenge echoes the query parameter "c" of a ping, so that a captive portal can't pass for the server.
	HeaderChallenge = "Chatsdk-Challenge"
	// HeaderIdempotencyKey names a request that may be sent again.
	HeaderIdempotencyKey = "Idempotency-Key"
)

// Names of RPC methods on the realtime connection.
const (
	// RPCSend takes a BatchRequest and answers a BatchReply with one result for each entry, in order.
	RPCSend = "message.send"
	// RPCHistory takes a HistoryRequest and answers a HistoryReply: the GET on messages without a second connection.
	RPCHistory = "message.history"
)

// Disconnect codes of the server's own. 4000 to 4499 ask the client to come back, 4500 to 4999 are final (Centrifuge
// protocol, disconnect codes). A reason may hold "retry-after-ms=N": the client waits that long before it comes back.
const (
	CloseDrain    = 4001 // the server is stopping: come back after retry-after-ms
	CloseSlowDown = 4002 // too many connections at once: come back after retry-after-ms
	CloseReplaced = 4501 // a newer connection of the same device took over
	CloseLogout   = 4502 // the session was ended
)

// Limits are the server's bounds, told to clients so that they needn't run into them.
type Limits struct {
	TextBytes         int `json:"textBytes"`         // longest text of a message
	BatchEntries      int `json:"batchEntries"`      // most entries in one message.send
	FrameBytes        int `json:"frameBytes"`        // longest WebSocket frame and request body
	HistoryEntries    int `json:"historyEntries"`    // most messages in one page of history
	MessagesPerSecond int `json:"messagesPerSecond"` // sustained rate for each user
	MessageBurst      int `json:"messageBurst"`      // messages that may come at once
	UserConnections   int `json:"userConnections"`   // connections of one user at a time
	ConnectionSubs    int `json:"connectionSubs"`    // subscriptions of one connection
	Attachments       int `json:"attachments"`       // most attachments in one message
}

// Problem is an error reply, RFC 9457 (application/problem+json), with a stable code to branch on.
type Problem struct {
	Type         string `json:"type,omitempty"`
	Title        string `json:"title"`
	Status       int    `json:"status"`
	Detail       string `json:"detail,omitempty"`
	Code         string `json:"code"`
	Expected     uint64 `json:"expected,omitempty"`     // seq_gap: the deviceSeq the server waits for
	RetryAfterMS int64  `json:"retryAfterMs,omitempty"` // rate_limited, unavailable: wait this long
}

// Codes of problems. They are part of the API and listed in the README.
const (
	CodeBadRequest       = "bad_request"
	CodeTooLarge         = "too_large"
	CodeUnauthorized     = "unauthorized"    // no or bad access token
	CodeTokenExpired     = "token_expired"   // refresh and try again
	CodeBadCredentials   = "bad_credentials" // wrong user or password
	CodeInvalidGrant     = "invalid_grant"   // the refresh token is not, or no longer, good
	CodeForbidden        = "forbidden"       // not a member
	CodeNotFound         = "not_found"
	CodeMethodNotAllowed = "method_not_allowed"
	CodeInvalidChannel   = "invalid_channel"
	CodeChannelExists    = "channel_exists"
	CodeIDReused         = "id_reused" // the same id with another body or channel
	CodeSeqGap           = "seq_gap"   // deviceSeq is not the next one; Expected says which is
	CodeRateLimited      = "rate_limited"
	CodeTooManyConns     = "too_many_connections"
	CodeUnavailable      = "unavailable" // stopping, or the store can't write
	CodeInternal         = "internal"
)

// LoginRequest signs a device in.
type LoginRequest struct {
	User     string `json:"user"`
	Password string `json:"password"`
	Device   string `json:"device"`
}

// RefreshRequest asks for new tokens.
type RefreshRequest struct {
	RefreshToken string `json:"refreshToken"`
}

// TokenReply answers login and refresh. Lifetimes are in seconds from the reply.
type TokenReply struct {
	Token            string `json:"token"`
	RefreshToken     string `json:"refreshToken"`
	ExpiresIn        int64  `json:"expiresIn"`
	RefreshExpiresIn int64  `json:"refreshExpiresIn"`
	User             string `json:"user"`
	Device           string `json:"device"`
}

// Message is a stored message, as in history and in publications.
type Message struct {
	Channel     string          `json:"channel"`
	Seq         uint64          `json:"seq"`
	ID          string          `json:"id"`
	User        string          `json:"user"`
	Text        string          `json:"text"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
	Time        time.Time       `json:"time"`
}

// SendRequest is one message on its way in. DeviceSeq 0 or omitted asks for no order.
type SendRequest struct {
	ID          string          `json:"id"`
	DeviceSeq   uint64          `json:"deviceSeq,omitempty"`
	Text        string          `json:"text"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
}

// SendReply says where a message was stored.
type SendReply struct {
	ID   string    `json:"id"`
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
}

// BatchRequest is the body of RPCSend.
type BatchRequest struct {
	Messages []BatchEntry `json:"messages"`
}

// BatchEntry is one message of a batch.
type BatchEntry struct {
	Channel string `json:"channel"`
	SendRequest
}

// BatchReply answers RPCSend, one result for each entry in the order of the request.
type BatchReply struct {
	Results []BatchResult `json:"results"`
}

// BatchResult is a SendReply, or the problem that kept the entry out.
type BatchResult struct {
	SendReply
	Problem *Problem `json:"problem,omitempty"`
}

// HistoryRequest is the body of RPCHistory.
type HistoryRequest struct {
	Channel string `json:"channel"`
	After   uint64 `json:"after"`
	Limit   int    `json:"limit,omitempty"` // 0: the server's HistoryEntries
}

// HistoryReply is a page of messages with Seq > After in order; Last is the channel's newest Seq.
type HistoryReply struct {
	Messages []Message `json:"messages"`
	Last     uint64    `json:"last"`
}

// ChannelRequest makes a channel.
type ChannelRequest struct {
	Name    string   `json:"name"`
	Private bool     `json:"private,omitempty"`
	Members []string `json:"members,omitempty"`
}

// ConnectData is the data of the realtime connect reply.
type ConnectData struct {
	API          int               `json:"api"`
	Limits       Limits            `json:"limits"`
	Capabilities []string          `json:"capabilities"`
	User         string            `json:"user"` // whose connection it is
	Device       string            `json:"device"`
	DeviceSeqs   map[string]uint64 `json:"deviceSeqs,omitempty"` // last deviceSeq taken, for each channel of this device
}

// SubscribeData is the data of a subscribe reply.
type SubscribeData struct {
	Last uint64 `json:"last"` // the channel's newest Seq in the table when the subscription was made
}
