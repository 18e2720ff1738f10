// Package realtime is planted: a leaf imports a leaf.
package realtime

import _ "github.com/chatsdk/chatsdk/outbox"
