package linkwatch

// Parts of the Linux side that tests look at.
var (
	TellsOfChange = tellsOfChange
	NextMessage   = nextMessage
	NextAttribute = nextAttribute
	Hear          = hear
	Listen        = listen
)
