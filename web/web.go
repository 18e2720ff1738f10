// Package web holds the built files of the web pages, so that Go alone can serve them.
package web

import (
	"embed"
	"io/fs"
)

//go:embed apps/dashboard/dist
var files embed.FS

// Dashboard returns the files of the dashboard: index.html and what it names by relative links. The page talks to the
// agent at its own origin; see docs/agent.md.
func Dashboard() fs.FS {
	sub, err := fs.Sub(files, "apps/dashboard/dist")
	if err != nil {
		panic("web: " + err.Error()) // the path is a constant
	}
	return sub
}
