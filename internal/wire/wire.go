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
	// HeaderUploadSHA256 carries the SHA-256 of a finished upload in hexadecimal: on the reply to the request that
	// finished it, and to HEAD and GET.
	HeaderUploadSHA256 = "Upload-Sha256"
)

// Names of RPC methods on the realtime connection.
const (
	// RPCSend takes a BatchRequest and answers a BatchReply with one result for each entry, in order.
	RPCSend = "message.send"
	// RPCHistory takes a HistoryRequest and answers a HistoryReply: the GET on messages without a second connection.
	RPCHistory = "message.history"
	// RPCNetStats takes nothing and answers NetStats; not_found where nobody counts, for as long as the connection lasts.
	RPCNetStats = "net.stats"
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

	UploadBytes int64 `json:"uploadBytes,omitempty"` // longest upload; 0 if the server takes none
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

	CodeTusVersion         = "tus_version"            // 412: Tus-Resumable isn't 1.0.0
	CodeMediaType          = "unsupported_media_type" // 415: PATCH takes application/offset+octet-stream
	CodeOffsetMismatch     = "offset_mismatch"        // 409: go on from the Upload-Offset in the reply
	CodeUploadLocked       = "upload_locked"          // 423: a newer request has the upload
	CodeUploadUnfinished   = "upload_unfinished"      // 409: not all of it is there yet
	CodeUploadExpired      = "upload_expired"         // 410: begin anew
	CodeUploadPosted       = "upload_posted"          // 409: a message has it attached, so it can't be deleted
	CodeChecksumMismatch   = "checksum_mismatch"      // 460: the chunk arrived damaged and wasn't taken
	CodeDigestMismatch     = "digest_mismatch"        // 422: the whole isn't what was announced; the upload is deleted
	CodeQuotaExceeded      = "quota_exceeded"         // 413: over the user's quota
	CodeDiskFull           = "disk_full"              // 507
	CodeRange              = "range_not_satisfiable"  // 416
	CodeAttachmentUnusable = "attachment_unusable"    // 422: not a finished upload of the sender
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

// Attachment names a finished upload of the sender's in a message's list of attachments. The sender gives Upload; what
// else it leaves out the server fills in, and what it gives has to be right. Objects with other fields and without Upload
// are the application's own: the server keeps them as they are.
type Attachment struct {
	Upload string `json:"upload"`           // the last part of the upload's address
	Name   string `json:"name,omitempty"`   // what to call the file
	Size   int64  `json:"size"`             // bytes
	SHA256 string `json:"sha256,omitempty"` // hexadecimal
	Type   string `json:"type,omitempty"`   // media type, as the sender says
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

// BatchRequest is the body of RPCSend and of POST /api/messages.
type BatchRequest struct {
	Messages []BatchEntry `json:"messages"`
}

// BatchEntry is one message of a batch.
type BatchEntry struct {
	Channel string `json:"channel"`
	SendRequest
}

// BatchReply answers both, one result for each entry in the order of the request.
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

// NetStats is what the server's end counts of the connection that RPCNetStats came on, since it was opened: with TCP, what
// its kernel tells. So the client hears of losses on the way down. 0 in a time or rate means not known. A proxy before
// the server ends the connection that is counted: then this is about the way from the proxy.
type NetStats struct {
	Segments      int64 `json:"segments"`      // sent with data, again included
	Retransmitted int64 `json:"retransmitted"` // sent again
	Duplicates    int64 `json:"duplicates"`    // of these, in vain: the client had them

	SRTTMicros   int64 `json:"srttUs"`
	RTTVarMicros int64 `json:"rttvarUs"`
	MinRTTMicros int64 `json:"minRttUs"`

	BytesSent     int64 `json:"bytesSent"` // again included
	BytesAcked    int64 `json:"bytesAcked"`
	BytesReceived int64 `json:"bytesReceived"`

	DeliveryBytesPerSecond int64 `json:"deliveryBytesPerSecond"`
	AppLimited             bool  `json:"appLimited"` // the rate was limited by what there was to send
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
