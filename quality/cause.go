package quality

// CauseOf says what a failed attempt to reach the server tells of the network, for Sample.Cause: no route is
// CauseUnreachable, the certificate of somebody else CausePortal, no answer in time and a name that can't be resolved
// CauseTimeout, and anything else CauseRefused, since somebody was there to refuse, cut, or talk nonsense. An attempt that
// its caller gave up tells nothing: don't ask. A nil error is no cause: 0.
func CauseOf(err error) Cause {
	if err == nil {
		return 0
	}
	return causeOf(err)
}
