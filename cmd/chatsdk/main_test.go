package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"chatsdk": main, "uploader": uploader, "leanserver": leanServer})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[programsKey{}] = map[string]*program{}
			return nil
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
		},
	})
}
