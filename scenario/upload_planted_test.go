package scenario_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
	"github.com/chatsdk/chatsdk/server/uploads"
	"github.com/chatsdk/chatsdk/upload"
)

// TestPlantedUploadMistakesAreFound runs scenarios and random worlds with mistakes in them, which have to be found.
func TestPlantedUploadMistakesAreFound(t *testing.T) {
	for _, row := range []struct {
		name string
		bug  scenario.Bug
		run  func(t *testing.T, seed uint64) string
		want string
	}{
		{"a creation that is repeated makes another copy", scenario.BugNoKeys, world, "orphan: the server has upload"},
		{"what was acknowledged isn't stored", scenario.BugAckUnstored, world, "were sent again, of which"},
		{"what was acknowledged isn't stored", scenario.BugAckUnstored, played("8"), "were sent again, of which"},
		{"a client that is slow to come back", scenario.BugSlowDials, played("8"), "the first new byte came"},
		{"a client that is slow to come back", scenario.BugSlowDials, played("8-crash"), "the first new byte came"},
		{"a client that is slow to come back", scenario.BugSlowDials, played("8-halfopen"), "the first new byte came"},
		{"an upload that is whole is forgotten", scenario.BugForgetFinished, played("8-reply"), "more afterwards"},
		{"an upload belongs to a token", scenario.BugForgetRenewed, played("8-token"), "the upload began anew"},
		{"what is given up stays", scenario.BugKeepDropped, played("8-changed"), "orphan: the server has upload"},
	} {
		t.Run(row.name, func(t *testing.T) {
			defer scenario.Plant(row.bug)()
			said := ""
			for seed := uint64(1); seed <= 10; seed++ { // not every world has the faults that show it
				bubble.Run(t, func(t *testing.T) { said = row.run(t, seed) })
				if strings.Contains(said, row.want) {
					return
				}
			}
			t.Errorf("nothing says %q:\n%.1000s", row.want, said)
		})
	}
}

func world(t *testing.T, seed uint64) string {
	t.Helper()
	r, err := scenario.RunUploads(t.Context(), scenario.UploadOptions{Seed: seed, Lasts: 30 * time.Second})
	if err != nil {
		return err.Error()
	}
	return strings.Join(r.Problems, "\n")
}

func played(id string) func(t *testing.T, seed uint64) string {
	return func(t *testing.T, seed uint64) string {
		t.Helper()
		s, _ := scenario.Find(id)
		r, err := scenario.RunVirtual(t.Context(), s, scenario.RunOptions{Seed: seed})
		return errors.Join(errors.New(strings.Join(r.Problems, "\n")), err).Error()
	}
}

const (
	sumA, sumB, sumC = "aaaaaaaa", "bbbbbbbb", "cccccccc"
	copyA, copyB     = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
)

var begin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func atSecond(n int) time.Time { return begin.Add(time.Duration(n) * time.Second) }

// goodView is a run in which all went well: a file that was broken once, one that was changed and failed, and a message.
func goodView() *scenario.UploadView {
	patch := func(from, length, sent, told int64, status, at int) scenario.Patch {
		return scenario.Patch{
			Client: "ada", Path: "/api/uploads/" + copyA, From: from, Length: length, Sent: sent, Told: told, Status: status,
			Opened: atSecond(at), Began: atSecond(at), Ended: atSecond(at + 1),
		}
	}
	return &scenario.UploadView{
		Rate: 100_000,
		Files: []scenario.UploadedFile{
			{
				Client: "ada", Versions: map[string]bool{sumA: true}, Downloaded: sumA,
				Upload: upload.Upload{ID: "1", State: upload.Done, Source: upload.Source{Size: 300}, SHA256: sumA, URL: "http://server/api/uploads/" + copyA},
			},
			{
				Client: "ada", Versions: map[string]bool{sumB: true, sumC: false},
				Upload: upload.Upload{ID: "2", State: upload.Failed, Code: upload.CodeSourceChanged},
			},
		},
		Rows: []uploads.Upload{{ID: copyA, User: "ada", State: uploads.Finished, Length: 300, Offset: 300, SHA256: sumA}},
		Disk: map[string]string{copyA: sumA},
		Patches: []scenario.Patch{
			patch(0, 100, 100, 100, 204, 1),
			patch(100, 100, 70, 100, 0, 3), // broken, with 70 bytes in flight
			patch(100, 200, 200, 300, 204, 9),
		},
		Faults: []scenario.UploadFault{{Client: "ada", Name: "cut", From: atSecond(3), To: atSecond(8)}},
		Messages: []scenario.UploadMessage{{
			ID: "m", Count: 1, Files: map[string]bool{sumA: true},
			Shown: map[string][]string{"ada": {sumA}, "bob": {sumA}},
		}},
	}
}

// TestUploadCheckFindsWhatIsWrong spoils a good run in one way after the other.
func TestUploadCheckFindsWhatIsWrong(t *testing.T) {
	if got := goodView().Check(); len(got) > 0 {
		t.Fatalf("a good run isn't: %q", got)
	}
	for _, row := range []struct {
		name, want string
		spoil      func(v *scenario.UploadView)
	}{
		{"nothing uploaded", "shows nothing", func(v *scenario.UploadView) { *v = scenario.UploadView{} }},
		{"not done", "is uploading in the end", func(v *scenario.UploadView) { v.Files[0].Upload.State = upload.Uploading }},
		{"failed without a change", "is failed in the end", func(v *scenario.UploadView) { v.Files[1].Versions = map[string]bool{sumB: true} }},
		{"failed for another reason", "is failed in the end", func(v *scenario.UploadView) { v.Files[1].Upload.Code = upload.CodeRefused }},
		{"changed and meant to begin anew", "is failed in the end", func(v *scenario.UploadView) { v.Files[1].Upload.OnChange = upload.Restart }},
		{"half old, half new", "none that the file may have had", func(v *scenario.UploadView) { v.Files[0].Versions = map[string]bool{sumB: true} }},
		{"the version that it may not end with", "none that the file may have had", func(v *scenario.UploadView) { v.Files[0].Versions = map[string]bool{sumA: false} }},
		{"no row", "has no row of it", func(v *scenario.UploadView) { v.Rows = nil }},
		{"unfinished row", "says state 0", func(v *scenario.UploadView) { v.Rows[0].State = uploads.Open }},
		{"short row", "299 bytes", func(v *scenario.UploadView) { v.Rows[0].Length = 299 }},
		{"another SHA-256 in the row", "isn't the client's", func(v *scenario.UploadView) { v.Rows[0].SHA256 = sumB }},
		{"damaged on the disk", "the server's file has", func(v *scenario.UploadView) { v.Disk[copyA] = sumB }},
		{"not on the disk", "the server's file has", func(v *scenario.UploadView) { delete(v.Disk, copyA) }},
		{"damaged for readers", "a reader got", func(v *scenario.UploadView) { v.Files[0].Downloaded = "status 404" }},
		{"a copy left over", "copies that nobody wants", func(v *scenario.UploadView) { v.Files[0].Upload.Leftovers = []upload.Leftover{{}} }},
		{"a row that nobody knows", "no client knows it", func(v *scenario.UploadView) { v.Rows = append(v.Rows, uploads.Upload{ID: copyB}) }},
		{"a file without a row", "no row of it", func(v *scenario.UploadView) { v.Disk[copyB] = sumB }},
		{"a row of what was cancelled", "no client knows it", func(v *scenario.UploadView) { v.Files[0].Upload.State = upload.Cancelled }},
		{"acknowledged bytes sent again", "were sent again, of which 70", func(v *scenario.UploadView) { v.Patches[2].From, v.Patches[2].Length, v.Patches[2].Sent = 99, 201, 201 }},
		{"sent again without a break", "were sent again, of which 0", func(v *scenario.UploadView) { v.Patches[0].Length, v.Patches[0].Sent = 110, 110 }},
		{"more than was told of", "were sent again, of which 40", func(v *scenario.UploadView) { v.Patches[1].Told = 130 }},
		{"broken by nothing", "nothing was wrong", func(v *scenario.UploadView) { v.Faults = nil }},
		{"broken by somebody else's fault", "nothing was wrong", func(v *scenario.UploadView) { v.Faults[0].Client = "bob" }},
		{"broken long after the fault", "nothing was wrong", func(v *scenario.UploadView) {
			v.Faults[0].From, v.Faults[0].To = atSecond(-20), atSecond(-10)
		}},
		{"more sent than announced", "bytes sent of", func(v *scenario.UploadView) { v.Patches[2].Length = 199 }},
		{"a request for everything", "one request for", func(v *scenario.UploadView) { v.Patches[2].Length = 1 << 20 }},
		{"a message without its file", "with 0 of 1 files", func(v *scenario.UploadView) { v.Messages[0].Shown["bob"] = nil }},
		{"a message with a file too many", "with 2 of 1 files", func(v *scenario.UploadView) { v.Messages[0].Shown["bob"] = []string{sumA, sumA} }},
		{"a message with another file", "none of its own", func(v *scenario.UploadView) { v.Messages[0].Shown["bob"] = []string{sumB} }},
		{"a message that nobody was shown", "to nobody", func(v *scenario.UploadView) {
			maps.DeleteFunc(v.Messages[0].Shown, func(string, []string) bool { return true })
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := goodView()
			row.spoil(v)
			if got := strings.Join(v.Check(), "\n"); !strings.Contains(got, row.want) {
				t.Errorf("nothing says %q: %q", row.want, got)
			}
		})
	}
}
