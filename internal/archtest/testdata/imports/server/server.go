// Package server is planted: it links the client and the command line.
package server

import (
	_ "github.com/chatsdk/chatsdk/realtime"
	_ "github.com/spf13/cobra"
)
