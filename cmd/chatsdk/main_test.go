package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/chatsdk/chatsdk/scenario"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"chatsdk": main, "uploader": uploader, "leanserver": leanServer, "hopeless": hopeless})
}

// hopeless is the program with a scenario that can't be fast enough, and one that can.
func hopeless() {
	allScenarios = func() []scenario.Scenario {
		quick := scenario.Scenario{Warm: time.Second, Gap: time.Millisecond, Every: 100 * time.Millisecond, Thresholds: scenario.Thresholds{Resends: -1}}
		late := quick
		quick.ID, late.ID, late.Thresholds.AckWithin = "quick", "late", time.Nanosecond
		return []scenario.Scenario{quick, late}
	}
	main()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[programsKey{}] = map[string]*program{}
			traces, err := filepath.Abs("../../quality/accuracy/testdata")
			env.Setenv("TRACES", traces)
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"start":    cmdStart,
			"expect":   cmdExpect,
			"type":     cmdType,
			"hangup":   cmdHangup,
			"deafen":   cmdDeafen,
			"signal":   cmdSignal,
			"exits":    cmdExits,
			"lines":    cmdLines,
			"exitcode": cmdExitCode,
			"control":  cmdControl,
			"random":   cmdRandom,
			"truncate": cmdTruncate,
			"cert":     cmdCert,
			"until":    cmdUntil,
		},
	})
}
