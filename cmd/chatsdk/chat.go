package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/inbox"
)

// chatOptions are the flags of chat.
type chatOptions struct {
	liveOptions

	from string
}

func newChat() *cobra.Command {
	var o chatOptions
	c := &cobra.Command{
		Use: "chat CHANNEL...", Short: "Chat, by hand or by machine", Args: cobra.MinimumNArgs(1),
		Long: `Chat. Each line of input is a message to the first channel; the messages of all channels are shown. The end of input
waits up to 10 s for what is still to be sent.

With --json this is the machine interface: one JSON object a line each way. Ops are send, upload, cancel, status and quit;
the end of input is quit, which stops at once.

With --profile the session, what is queued and what was received are kept in a folder: a message is "queued" with
"durable":true when it is on disk, the next run sends what is still queued and goes on after the last message that was
taken, and a password is needed only while nobody is signed in. A profile is for one user of one server. Without
--profile all is in memory and ends with the run.

Started without a network it takes messages all the same and keeps trying.`,
	}
	o.add(c)
	f := c.Flags()
	f.StringVar(&o.from, "from", "processed", "where to begin: processed, start or now")
	f.BoolVar(&o.json, "json", false, "machine interface: one JSON object a line")
	c.RunE = action(func(cmd *cobra.Command, args []string) error { return runChat(cmd, o, args) })
	return c
}

// check looks at everything that can be wrong before anything happens.
func (o chatOptions) check(channels []string) (inbox.From, error) {
	if err := o.liveOptions.check(channels); err != nil {
		return 0, err
	}
	for _, from := range []inbox.From{inbox.Processed, inbox.Start, inbox.Now} {
		if o.from == from.String() {
			return from, nil
		}
	}
	return 0, usage(fmt.Errorf("--from %q", o.from), "use processed, start or now")
}

// chat is one run of the command.
type chat struct {
	*liveClient

	from     string
	channels []string
	out      *output
	order    *order
}

func runChat(cmd *cobra.Command, o chatOptions, channels []string) error {
	from, err := o.check(channels)
	if err != nil {
		return err
	}
	l, err := openLive(cmd, o.liveOptions, from)
	if err != nil {
		return err
	}
	l.lasts = o.json
	c := &chat{
		liveClient: l, from: o.from, channels: channels, order: newOrder(from),
		out: newOutput(cmd.OutOrStdout(), cmd.ErrOrStderr(), o.json, l.end),
	}
	l.tell = c.put
	err = l.during(func() { c.run(cmd.InOrStdin()) })
	c.out.finish()
	return err
}

// run starts everything and returns when the run is to end.
func (c *chat) run(stdin io.Reader) {
	hello := c.hello(c.channels)
	hello.From = c.from
	c.put(hello)
	updates := c.client.Watch(c.ctx)
	c.wg.Go(func() { c.follow(updates) })
	uploads := c.client.WatchUploads(c.ctx)
	c.wg.Go(func() { c.followUploads(uploads) })
	for _, name := range c.channels {
		c.wg.Go(func() { c.read(name) })
	}
	c.wg.Go(c.begin)
	c.input(stdin)
}

func (c *chat) put(e event) { c.out.put(c.ctx, e) }
