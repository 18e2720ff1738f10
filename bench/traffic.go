package main

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/server"
)

// trafficRTT is the round trip of the links whose idle traffic is counted. It matters little.
const trafficRTT = 100 * time.Millisecond

// traffic is what an idle client sends and receives: bytes of its TCP streams, without the headers of TCP and IP.
type traffic struct {
	Profile           string  `json:"profile"`
	Seconds           float64 `json:"seconds"`
	BytesPerMinute    float64 `json:"bytesPerMinute"`
	SegmentsPerMinute float64 `json:"segmentsPerMinute"`
}

// measureTraffic counts what goes over the link of an idle client of each profile.
func measureTraffic(ctx context.Context, c config, dir string, r *report) (err error) {
	w, err := newWorld(ctx, filepath.Join(dir, "traffic"), false, server.Limits{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	profiles := []realtime.Profile{realtime.Foreground, realtime.Background}
	out, errs := make([]traffic, len(profiles)), make([]error, len(profiles))
	var wg sync.WaitGroup
	for i, p := range profiles {
		wg.Go(func() { out[i], errs[i] = trafficOf(ctx, w, p, c.idle) })
	}
	wg.Wait()
	r.Traffic = out
	return errors.Join(errs...)
}

func trafficOf(ctx context.Context, w *world, p realtime.Profile, idle time.Duration) (traffic, error) {
	opening, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	s, err := openSDK(opening, w, "idle-"+p.String(), trafficRTT, p)
	if err != nil {
		return traffic{}, err
	}
	pause(ctx, warmUp)
	before, began := s.way.Stats(), time.Now()
	pause(ctx, idle)
	after, minutes := s.way.Stats(), time.Since(began).Minutes()
	bytes := after.BytesUp + after.BytesDown - before.BytesUp - before.BytesDown
	t := traffic{
		Profile: p.String(), Seconds: minutes * 60, BytesPerMinute: float64(bytes) / minutes,
		SegmentsPerMinute: float64(after.Segments-before.Segments) / minutes,
	}
	if n := s.seen.reconnected(); n > 0 {
		err = errors.New("the idle client reconnected: its bytes aren't those of an idle client")
	}
	return t, errors.Join(err, s.close())
}
