package sqlite

// bug is a mistake that tests plant, to see that they find it.
type bug int

// planted is set by tests only.
var planted bug

const (
	_                    bug = iota
	bugKeyOfServer           // the key of a creation is looked for among everybody's
	bugQuotaOutside          // the quota is looked at before the transaction
	bugForeignAttachable     // anybody's upload can be attached
	bugSweepPosted           // uploads expire that a message has attached
	bugForgetIDs             // an id that was stored is news each time
	bugIDOfServer            // an id is looked for among everybody's
	bugForgetNumber          // a device's count doesn't move
	bugTakeGaps              // a message is taken before those that its device counted before it
	bugAckUncommitted        // what wasn't committed is answered as if it had been
)
