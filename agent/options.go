package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/chatsdk/chatsdk"
)

const (
	// maxChannels bounds what one snapshot names: all channels go out with each change of one.
	maxChannels = 100
	// defaultMaxUpload and defaultMaxSpool bound what a page can fill the disk with, in bytes.
	defaultMaxUpload = 256 << 20
	defaultMaxSpool  = 1 << 30
	// defaultMaxStreams is more than six tabs of a few browsers, and few enough for any machine.
	defaultMaxStreams = 64
)

// Options configure New. Client is required; a zero value elsewhere takes the default.
type Options struct {
	// Client is what the agent shows and asks. It stays the caller's: Close leaves it open.
	Client *chatsdk.Client
	// Channels are followed, and their messages told; at most 100. What the agent has told counts as processed.
	Channels []string
	// Version is told to whoever connects. Defaults to "unknown".
	Version string
	// Token lets in. Defaults to a random one of 128 bits; see Agent.Token.
	Token string
	// Origins are web origins, such as https://desk.example.com, whose pages may ask too, if they have the token. "*" is
	// any. Defaults to none but the agent's own.
	Origins []string
	// Dir is the folder where files wait until they are uploaded. Give one that lasts as long as the client's store.
	// Defaults to one that is made when it is needed and removed by Close.
	Dir string
	// MaxUpload bounds one file, MaxSpool all that wait, in bytes. Default to 256 MiB and 1 GiB.
	MaxUpload, MaxSpool int64
	// MaxStreams bounds the streams of events that are open at once. Defaults to 64.
	MaxStreams int
	// BeforeQueue is called before something is queued; an error of it refuses that. Nil is nothing.
	BeforeQueue func(ctx context.Context) error
	// Logger takes what is out of the ordinary, never a text or a token. Nil discards.
	Logger *slog.Logger
}

// withDefaults returns a copy with every zero field filled in.
func (o Options) withDefaults() (Options, error) {
	if o.Client == nil {
		return o, errors.New("agent: Options.Client is nil")
	}
	if len(o.Channels) > maxChannels {
		return o, fmt.Errorf("agent: %d channels, at most %d", len(o.Channels), maxChannels)
	}
	for _, origin := range o.Origins {
		if u, err := url.Parse(origin); origin != "*" && (err != nil || u.Hostname() == "" || strings.Contains(u.Host, "*") || u.Scheme+"://"+u.Host != origin) {
			return o, fmt.Errorf("agent: %q is no origin; give it as https://host or http://host:port", origin)
		}
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	if o.Token == "" {
		o.Token = rand.Text()
	}
	if o.MaxUpload <= 0 {
		o.MaxUpload = defaultMaxUpload
	}
	if o.MaxSpool <= 0 {
		o.MaxSpool = defaultMaxSpool
	}
	if o.MaxStreams <= 0 {
		o.MaxStreams = defaultMaxStreams
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}
