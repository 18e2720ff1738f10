package realtime

func unnamed() { go named() }
