// Package chatsdk is planted: the facade links the server.
package chatsdk

import _ "github.com/chatsdk/chatsdk/server"
