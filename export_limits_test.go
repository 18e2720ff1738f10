package chatsdk

import "github.com/chatsdk/chatsdk/internal/wire"

// SetLimits makes c think that its server told these limits.
func SetLimits(c *Client, l wire.Limits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.path.limits = l
}
