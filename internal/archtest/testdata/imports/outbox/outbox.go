// Package outbox is planted: a leaf knows the wire.
package outbox

import _ "github.com/chatsdk/chatsdk/internal/wire"
