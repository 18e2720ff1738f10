package main

import (
	"os"
	"strconv"
	"testing"

	"github.com/chatsdk/chatsdk/scenario"
)

// fewKills is how many processes the ordinary test kills; `make soak` kills 200.
const fewKills = 20

// TestKilledProcessesLoseNothing kills clients and the server at random moments while all of them talk. KILLS says how
// often, SEED repeats who is killed when.
func TestKilledProcessesLoseNothing(t *testing.T) {
	r, err := scenario.RunKills(t.Context(), scenario.KillOptions{
		Program: []string{"chatsdk"}, Dir: t.TempDir(),
		Kills: number(t, "KILLS", fewKills), Seed: uint64(number(t, "SEED", 1)),
	})
	t.Logf("%s", r)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() {
		t.Errorf("repeat with SEED=%d", r.Seed)
	}
	if r.ServerKills == 0 || r.ClientKills == 0 || r.Stored == 0 {
		t.Error("nothing was tested")
	}
}

// number reads a number from the environment.
func number(t *testing.T, name string, unset int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return unset
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q; give a number", name, v)
	}
	return n
}
