module github.com/chatsdk/chatsdk

go 1.26

require github.com/spf13/cobra v0.0.0

replace github.com/spf13/cobra => ./cobra
