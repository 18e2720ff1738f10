// Command chatsdk is planted and breaks nothing: it may import everything.
package main

import (
	_ "github.com/chatsdk/chatsdk"
	_ "github.com/spf13/cobra"
)

func main() {}
