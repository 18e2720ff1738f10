package scenario

// PlantBatchReversed makes the stores of worlds take batches in reverse until the returned function is called.
func PlantBatchReversed() (stop func()) {
	planted = bugBatchReversed
	return func() { planted = noBug }
}
