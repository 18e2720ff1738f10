package upload

// bug is a mistake that somebody would really make. Tests switch one on and demand that a named test finds it.
type bug int

// Bugs that can be planted.
const (
	bugNone          bug = iota
	bugOwnOffset         // after an error it goes on from its own count instead of the server's
	bugDropURL           // a 401 makes it begin anew
	bugWrongRange        // the checksum takes in a byte of the chunk before
	bugHashAhead         // the hash isn't taken back when the server has less
	bugNewKey            // a repeated creation has a new key
	bugStallByTime       // a request may take its time, whether bytes move or not
	bugNoLastLook        // the file isn't looked at again in the end
	bugPostFirst         // the creation is sent before it is written down
	bugURLLate           // the URL is written down after the first chunk
	bugLockedFails       // 423 counts as any failed attempt
	bugTokenAnywhere     // the token goes wherever the server points
	bugOtherAccount      // whoever is signed in uploads whatever is there
	bugForgetCancel      // a cancelled upload's copy is dropped only while the process lives
	bugTrustAhead        // an offset beyond what was sent is believed
	bugKeepTurn          // an upload that the server chokes on keeps its turn
	bugDropByKey         // what is left of a lost creation is asked for by its key alone
	bugBelievePortal     // whoever answers OPTIONS is taken for the server
	bugDropInLine        // a copy that can't be dropped holds up the others
	bugNewestBase        // the newest round trip is taken for the path's own
	bugNoFloor           // what looks like a queue brakes more and more
	bugChunkUntold       // what somebody else knows of the network isn't asked for
	bugLast              // none: one more than the last
)

// planted is test-only: nothing but export_test.go sets it.
var planted = bugNone
