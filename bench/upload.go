package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/server"
)

const (
	// uploadBytes is the size of the file on loopback, uploadRounds how often each way has its turn, so that what else the
	// machine does hits all alike.
	uploadBytes, uploadRounds = 256 << 20, 9
	// slowBytes is the size of the file on the slower link, and slowRounds its turns.
	slowBytes, slowRounds = 64 << 20, 5
	// slowRate in bytes a second, 100 Mbit/s, and slowRTT are that link's.
	slowRate, slowRTT = 100_000_000 / 8, 20 * time.Millisecond
	// uploadTimeout bounds one upload.
	uploadTimeout = 2 * time.Minute
	// shareGoal and slowGoal are how much of the bare PUT's goodput ours is to reach, on loopback and on the slower link.
	shareGoal, slowGoal = 0.90, 0.95
)

// uploaded is what one way to upload reached.
type uploaded struct {
	What    string  `json:"what"`
	Link    string  `json:"link"`
	N       int     `json:"n"`
	Bytes   int64   `json:"bytes"`
	Goodput float64 `json:"megabytesPerSecond"` // median of the rounds
	Least   float64 `json:"leastMegabytesPerSecond"`
	Most    float64 `json:"mostMegabytesPerSecond"`
	CPU     float64 `json:"cpuSecondsPerGiB"` // median; of this process: both ends, but not of Node.js
	Share   float64 `json:"ofBarePut"`        // of its goodput
	Goal    string  `json:"goal,omitempty"`
	Met     bool    `json:"goalMet,omitempty"`
}

// The ways to upload.
const (
	whatPut       = "bare PUT with fsync and SHA-256"
	whatPutBehind = "bare PUT that syncs beside the receiving"
	whatOurs      = "chatsdk to its server"
	whatTusJS     = "tus-js-client 4.3.1 to the same server (no SHA-256)"
	whatTusd      = "chatsdk to stock tusd 2.9.1 (no fsync, no SHA-256)"
)

// uploader is one way to upload under measurement.
type uploader struct {
	what string
	once func(ctx context.Context, path string) error // returns once the server has all and said so
	tidy func(ctx context.Context) error              // drops what the server has
	rate []float64                                    // megabytes a second of each round
	cpu  []float64                                    // seconds for each GiB
}

// round uploads once.
func (u *uploader) round(ctx context.Context, path string, size int64) error {
	ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
	defer cancel()
	cpu, began := usedCPU(), time.Now()
	err := u.once(ctx, path)
	took, cpu := time.Since(began), usedCPU()-cpu
	if err = errors.Join(err, u.tidy(ctx)); err != nil {
		return fmt.Errorf("%s: %w", u.what, err)
	}
	u.rate = append(u.rate, float64(size)/1e6/took.Seconds())
	u.cpu = append(u.cpu, cpu.Seconds()*(1<<30)/float64(size))
	return nil
}

// measureUpload measures goodput on loopback and on a slower link.
func measureUpload(ctx context.Context, c config, dir string, r *report) (err error) {
	size, slow, rounds, slowly := int64(uploadBytes), int64(slowBytes), uploadRounds, slowRounds
	if c.quick {
		size, slow, rounds, slowly = 16<<20, 4<<20, 2, 1
	}
	dir, w, err := fileWorld(ctx, dir, "upload")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	big, small := filepath.Join(dir, "big"), filepath.Join(dir, "small")
	if err := errors.Join(fill(big, size, c.seed), fill(small, slow, c.seed)); err != nil {
		return err
	}
	if err := w.srv.AddUser(ctx, "uploader", password); err != nil {
		return err
	}
	token, err := login(ctx, w.addr, "uploader")
	if err != nil {
		return err
	}
	b := uploadBench{w: w, token: token, dir: dir, js: c.js, report: r}
	err = b.goodput(ctx, "loopback", big, size, rounds, faultnet.Conditions{}, shareGoal)
	link := faultnet.Symmetric(slowRTT)
	link.Up.Rate, link.Down.Rate = slowRate, slowRate
	return errors.Join(err, b.goodput(ctx, "100 Mbit/s, RTT 20 ms", small, slow, slowly, link, slowGoal))
}

// fileWorld makes a folder for files, and in it a world's.
func fileWorld(ctx context.Context, dir, name string) (string, *world, error) {
	dir = filepath.Join(dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", nil, err
	}
	w, err := newWorld(ctx, filepath.Join(dir, "server"), false, server.Limits{})
	return dir, w, err
}

// fill writes a file that can't be compressed.
func fill(path string, size int64, seed uint64) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var key [32]byte
	key[0] = byte(seed)
	_, err = io.CopyN(f, rand.NewChaCha8(key), size)
	return errors.Join(err, f.Sync())
}

// goodput gives each way its turns on a link, beginning with another one each time. On loopback nothing is in between.
func (b *uploadBench) goodput(
	ctx context.Context, link, path string, size int64, rounds int, cond faultnet.Conditions, goal float64,
) (err error) {
	all, stop, err := b.uploaders(ctx, cond)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	for i := range rounds {
		for k := range all {
			if err := all[(i+k)%len(all)].round(ctx, path, size); err != nil {
				return err
			}
		}
	}
	b.report.addUploads(link, size, all, goal)
	return nil
}

// addUploads compares with the bare PUT, which is the first.
func (r *report) addUploads(link string, size int64, all []*uploader, goal float64) {
	bare := middle(all[0].rate)
	for _, u := range all {
		v := uploaded{
			What: u.what, Link: link, N: len(u.rate), Bytes: size, Goodput: middle(u.rate), Least: slices.Min(u.rate),
			Most: slices.Max(u.rate), CPU: middle(u.cpu), Share: middle(u.rate) / bare,
		}
		if u.what == whatOurs {
			v.Goal, v.Met = fmt.Sprintf("at least %.0f%% of the bare PUT", 100*goal), v.Share >= goal
		}
		r.Uploads = append(r.Uploads, v)
	}
}

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func (r *report) writeUpload(out io.Writer) {
	if len(r.Uploads) > 0 {
		w := table(out)
		fmt.Fprint(w, "\nuploads in turns; goodput in MB/s, processor time of both ends but not of Node.js in s for each GiB\n")
		fmt.Fprint(w, "way\tlink\tMiB\tn\tp50\tleast\tmost\tCPU\tof bare\tgoal\t\t\n")
		for _, x := range r.Uploads {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.2f\t%.0f%%\t%s\t%s\t\n",
				x.What, x.Link, x.Bytes>>20, x.N, x.Goodput, x.Least, x.Most, x.CPU, 100*x.Share, x.Goal, met(x.Goal, x.Met))
		}
		_ = w.Flush() // to standard output: nobody is there to tell
	}
}
