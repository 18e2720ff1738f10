package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk"
)

// downloadOptions are the flags of download.
type downloadOptions struct {
	fileOptions

	out   string
	force bool
}

func newDownload() *cobra.Command {
	var o downloadOptions
	c := &cobra.Command{
		Use: "download ID|URL", Short: "Download a file of a message", Args: cobra.ExactArgs(1),
		Long: `Download a file that was uploaded, by its id or its address at the server. What has arrived when it is stopped stays beside
it in a file that ends in .part, and the same command goes on from there. The file has its name once its SHA-256 is right.

Without -o it goes to the present folder under the name that its sender gave it, made safe.`,
	}
	o.add(c)
	f := c.Flags()
	f.StringVarP(&o.out, "output", "o", "", "the file to write, or the folder for it (default: the present folder)")
	f.BoolVar(&o.force, "force", false, "replace a file that is there")
	c.RunE = action(func(cmd *cobra.Command, args []string) error {
		if err := o.check(); err != nil {
			return err
		}
		return o.run(cmd, nil, func(ctx context.Context, client *chatsdk.Client, signIn func() error) error {
			id, err := fileID(client.State().Server, args[0])
			if err != nil {
				return err
			}
			if err := signIn(); err != nil {
				return err
			}
			return o.download(ctx, cmd, client, id)
		})
	})
	return c
}

// fileID reads an id, or an address below the server's.
func fileID(server, text string) (string, error) {
	if !strings.Contains(text, "/") {
		return text, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", usage(errors.New("the address can't be read"), "")
	}
	id, ok := strings.CutPrefix(u.Scheme+"://"+u.Host+u.Path, server+"/api/uploads/")
	if !ok || u.User != nil || strings.Contains(id, "/") {
		return "", usage(errors.New("the address isn't one of an upload at "+server), "see --server")
	}
	return id, nil
}

// place says what folder and name -o means.
func (o *downloadOptions) place() (dir, name string) {
	if o.out == "" {
		return ".", ""
	}
	if info, err := os.Stat(o.out); err == nil && info.IsDir() || strings.HasSuffix(o.out, string(os.PathSeparator)) {
		return o.out, ""
	}
	return filepath.Dir(o.out), filepath.Base(o.out)
}

// downloadLine is a line of download --json.
type downloadLine struct {
	Schema      int    `json:"schema"`
	Event       string `json:"event"`
	ID          string `json:"id"`
	Name        string `json:"name"`
	Received    int64  `json:"received"`
	Total       int64  `json:"total"`
	ResumedFrom int64  `json:"resumedFrom"`
	Done        bool   `json:"done"`
	Path        string `json:"path,omitempty"`
	SHA256      string `json:"sha256,omitempty"`
}

func (o *downloadOptions) download(ctx context.Context, cmd *cobra.Command, client *chatsdk.Client, id string) error {
	dir, name := o.place()
	bar := newFileBar(cmd.ErrOrStderr())
	began, told, resumed := time.Now(), time.Time{}, false
	line := func(d chatsdk.Download, done bool) error {
		v := downloadLine{
			Schema: schema, Event: "download", ID: d.ID, Name: d.Name, Received: d.Done, Total: d.Size, ResumedFrom: d.ResumedFrom, Done: done,
		}
		if done {
			v.Path, v.SHA256 = d.Path, d.SHA256
		}
		return printJSON(cmd.OutOrStdout(), v)
	}
	show := func(d chatsdk.Download) {
		now := time.Now()
		switch {
		case o.json:
			if now.Sub(told) >= progressEvery {
				told = now
				_ = line(d, false) // the last line's error is told
			}
			return
		case d.ResumedFrom > 0 && !resumed:
			resumed = true
			bar.note("resumed at " + howFar(d.ResumedFrom, d.Size))
		}
		rate, left := float64(d.Done-d.ResumedFrom)/max(now.Sub(began).Seconds(), 0.001), time.Duration(-1)
		if rate > 0 {
			left = time.Duration(float64(d.Size-d.Done) / rate * float64(time.Second))
		}
		bar.show(d.Done, d.Size, rate, left)
	}
	d, err := client.Download(ctx, chatsdk.DownloadRequest{
		Attachment: chatsdk.Attachment{ID: id}, Dir: dir, Name: name, Overwrite: o.force, OnProgress: show,
	})
	bar.clear()
	switch {
	case err != nil:
		return o.failed(ctx, cmd, bar, d, err)
	case o.json:
		return line(d, true)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), printable(fmt.Sprintf("downloaded %s (%s, SHA-256 %s)", d.Path, sizeText(d.Size), d.SHA256)))
	return err
}

// failed says what is left, and what to do.
func (o *downloadOptions) failed(ctx context.Context, cmd *cobra.Command, bar *fileBar, d chatsdk.Download, err error) error {
	var refused *chatsdk.ServerError
	switch {
	case errors.Is(err, chatsdk.ErrExists):
		return failure(err, "--force replaces it, -o names another")
	case errors.As(err, &refused) && refused.Status == 404:
		return failure(err, "check the id, and that you are a member of the channel that it was sent to")
	case ctx.Err() != nil && d.Done > 0:
		bar.note("stopped at " + howFar(d.Done, d.Size) + "; the same command goes on from there")
	}
	return o.stopped(cmd.Context(), ctx, err)
}
