package scenario

import (
	"net/http"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/token"
)

// HTTPMistake is httpMistake.
type HTTPMistake struct {
	NewID, LastTry bool
	Way            func(http.RoundTripper) http.RoundTripper
	Options        func(*api.Options, *token.Source)
}

// PlantHTTP makes the clients of scenarios make a mistake until the returned function is called.
func PlantHTTP(m HTTPMistake) (undo func()) {
	plantedHTTP = httpMistake{m.NewID, m.LastTry, m.Way, m.Options}
	return func() { plantedHTTP = httpMistake{} }
}
