package realtime

import "sync"

func group(wg *sync.WaitGroup) { wg.Go(named) }
