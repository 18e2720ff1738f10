package scenario

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/chatsdk/chatsdk/server/uploads"
	"github.com/chatsdk/chatsdk/upload"
)

const (
	// chunkSpan is the most that one request may bring, as time at the link's rate: what is in flight when the link
	// breaks is sent again.
	chunkSpan = 4 * time.Second
	// smallChunk may be brought at any rate: at first none is known.
	smallChunk = 256 << 10
	// aftermath is how long after a fault requests may still break because of it: a client that gets its connection back
	// gives up what may hang on the former path.
	aftermath = 5 * time.Second
)

// Check compares the sides and returns what doesn't hold:
//
//   - each file is done, and its SHA-256 is that of the file for the client, in the server's row and folder, and for a
//     reader; or it failed because it was changed, where it was;
//   - the server has no row and no file beside those;
//   - no byte was sent again that had been acknowledged, and none that hadn't was sent again but after a request that
//     something broke;
//   - each message was shown to everybody with all of its files.
func (v *UploadView) Check() []string {
	var out []string
	problem := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	known := map[string]bool{}
	for i := range v.Files {
		v.checkFile(&v.Files[i], known, problem)
	}
	if len(v.Files) == 0 {
		problem("no file was uploaded: the run shows nothing")
	}
	v.checkOrphans(known, problem)
	for _, path := range v.paths() {
		v.checkBytes(path, problem)
	}
	for _, m := range v.Messages {
		m.check(problem)
	}
	return out
}

// checkFile looks at one file, and adds its copy to those that the server may have.
func (v *UploadView) checkFile(f *UploadedFile, known map[string]bool, problem tell) {
	u := f.Upload
	who := fmt.Sprintf("%s of %s (%s, %d bytes)", u.Name, f.Client, u.ID, u.Source.Size)
	if len(u.Leftovers) > 0 {
		problem("%s: the server still has %d copies that nobody wants", who, len(u.Leftovers))
	}
	if u.State == upload.Failed && u.Code == upload.CodeSourceChanged && u.OnChange == upload.Fail && len(f.Versions) > 1 {
		if u.URL != "" {
			known[copyID(u.URL)] = true
		}
		return
	}
	if u.State == upload.Cancelled {
		return
	}
	if u.State != upload.Done {
		problem("%s is %v in the end: %s %s", who, u.State, u.Code, u.Err)
		return
	}
	id := copyID(u.URL)
	known[id] = true
	if !f.Versions[u.SHA256] {
		problem("%s: the client's SHA-256 %.8s is none that the file may have had", who, u.SHA256)
	}
	i := slices.IndexFunc(v.Rows, func(r uploads.Upload) bool { return r.ID == id })
	switch {
	case i < 0:
		problem("%s is done, and the server has no row of it", who)
		return
	case v.Rows[i].State != uploads.Finished || v.Rows[i].Length != u.Source.Size:
		problem("%s is done, and the server's row says state %d, %d bytes", who, v.Rows[i].State, v.Rows[i].Length)
	case v.Rows[i].SHA256 != u.SHA256:
		problem("%s: the server's SHA-256 %.8s isn't the client's %.8s", who, v.Rows[i].SHA256, u.SHA256)
	}
	if sum, ok := v.Disk[id]; u.Source.Size > 0 && (!ok || sum != u.SHA256) {
		problem("%s: the server's file has SHA-256 %.8q, not %.8s", who, sum, u.SHA256)
	}
	if f.Downloaded != u.SHA256 {
		problem("%s: a reader got %.80q, not SHA-256 %.8s", who, f.Downloaded, u.SHA256)
	}
}

// checkOrphans asks that the server has only what clients know.
func (v *UploadView) checkOrphans(known map[string]bool, problem tell) {
	rows := map[string]bool{}
	for _, r := range v.Rows {
		rows[r.ID] = true
		if !known[r.ID] {
			problem("orphan: the server has upload %s of %s, %d of %d bytes, and no client knows it", r.ID, r.User, r.Offset, r.Length)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Disk)) {
		if !rows[name] {
			problem("orphan: the server has a file %s and no row of it", name)
		}
	}
}

func (v *UploadView) paths() []string {
	seen := map[string]bool{}
	for i := range v.Patches {
		seen[v.Patches[i].Path] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// checkBytes goes through the requests of one copy. What a request sent that the next one sends again is wasted: nothing
// may be after one that was answered as it should be, and after one that broke no more than what was in flight, which is
// what had been handed to the connection beyond the last offset that an answer had told.
func (v *UploadView) checkBytes(path string, problem tell) {
	patches := v.of(copyID(path))
	for i := range patches {
		p := &patches[i]
		if p.Sent > p.Length {
			problem("%s of %s: %d bytes sent of %d", path, p.Client, p.Sent, p.Length)
		}
		if most := int64(chunkSpan.Seconds() * float64(v.Rate)); v.Rate > 0 && p.Length > max(most, smallChunk) {
			problem("%s of %s: one request for %d bytes, at %d a second", path, p.Client, p.Length, v.Rate)
		}
		if p.broken() && !v.excused(p) {
			problem("%s of %s: the request at %d, from %s to %s over a connection of %s, ended with status %d after %d of %d bytes, and nothing was wrong",
				path, p.Client, p.From, clockTime(p.Began), clockTime(p.Ended), clockTime(p.Opened), p.Status, p.Sent, p.Length)
		}
		if i+1 == len(patches) {
			continue
		}
		wasted, allowed := p.From+p.Sent-patches[i+1].From, int64(0)
		if p.broken() {
			allowed = p.inFlight()
		}
		if wasted > allowed {
			problem("%s of %s: %d bytes from %d on were sent again, of which %d were in flight", path, p.Client, wasted, patches[i+1].From, allowed)
		}
	}
}

// excused says whether a request broke because of a fault.
func (v *UploadView) excused(p *Patch) bool {
	return slices.ContainsFunc(v.Faults, func(f UploadFault) bool {
		return f.touches(p.Client, p.Opened, p.Ended) && !p.Began.After(f.To.Add(aftermath))
	})
}

// touches says whether a fault, or what comes of it, concerns a client at some time from begin to end.
func (f *UploadFault) touches(client string, begin, end time.Time) bool {
	return (f.Client == "" || f.Client == client) && !begin.After(f.To.Add(aftermath)) && !end.Before(f.From)
}

// spent sums up the bytes of all copies: sent, sent again, and in flight when requests broke.
func (v *UploadView) spent() (sent, again, inFlight int64) {
	for _, path := range v.paths() {
		patches := v.of(copyID(path))
		for i := range patches {
			p := &patches[i]
			sent += p.Sent
			if p.broken() {
				inFlight += p.inFlight()
			}
			if i+1 < len(patches) {
				again += max(p.From+p.Sent-patches[i+1].From, 0)
			}
		}
	}
	return sent, again, inFlight
}

// check asks that everybody was shown the message with all of its files.
func (m *UploadMessage) check(problem tell) {
	for _, who := range slices.Sorted(maps.Keys(m.Shown)) {
		sums := m.Shown[who]
		if len(sums) != m.Count {
			problem("message %s was shown to %s with %d of %d files", m.ID, who, len(sums), m.Count)
			continue
		}
		for _, sum := range sums {
			if !m.Files[sum] {
				problem("message %s was shown to %s with a file of SHA-256 %.8s, which is none of its own", m.ID, who, sum)
			}
		}
	}
	if len(m.Shown) == 0 {
		problem("message %s with %d files was shown to nobody", m.ID, m.Count)
	}
}
