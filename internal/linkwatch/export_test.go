package linkwatch

// Parts of the package that tests look at.
var (
	Judge        = Links.judge
	LookAtSystem = lookAtSystem
)
