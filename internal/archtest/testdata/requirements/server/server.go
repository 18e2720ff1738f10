// Package server is planted: docs name its parts, some of which don't exist.
package server

// Server has a method, a field, an embedded type and, in Alias, a second name.
type Server struct {
	Name string
	base
}

type base struct{ Depth int }

// Alias is Server.
type Alias = Server

// Route is served.
const Route = "GET /api/route"

// Start is a method.
func (s *Server) Start() {}
