package uploads

// bug is a mistake that tests plant, to see that they find it.
type bug int

// planted is set by tests only.
var planted bug

const (
	_                  bug = iota
	bugAckBeforeSync       // an offset is acknowledged before its bytes are on disk
	bugNoDirSync           // a new file's name is never brought to the disk
	bugKeepBadChunk        // a chunk's checksum is compared, and the chunk kept
	bugHashNotReset        // the state of the hash keeps a chunk that was discarded
	bugServeUnfinished     // what isn't finished can be downloaded
	bugAnyOwner            // whoever knows an upload's name may use it
	bugNoHandover          // the holder of a lock isn't asked to leave
	bugServeExpired        // an upload can be used after its time, until it is swept
	bugSumIncomplete       // the checksum of a chunk that was cut off isn't awaited
	bugFirstReplyOnly      // a repeated creation compares nothing
	bugSyncAgain           // after a sync that failed the next one is believed
	bugNoLastDigest        // a digest that comes with the last chunk isn't compared
	bugKeepTail            // what a crash left beyond the offset stays in the file
)
