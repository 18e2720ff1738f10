// Package uploads is the server's side of tus 1.0 uploads: tusd's handler for the protocol, and around it what tusd lacks:
// checksums, expiry, ownership and quotas, creation that may be repeated, the SHA-256 of the whole, downloads, and a lock
// that goes to the newest request at once.
//
// The row in the Store is the truth about an upload, the file holds its bytes. The offset of the row is moved in one
// transaction with the state of the hash, after the bytes up to it have been synced; whatever the file holds beyond it was
// never acknowledged and is written over. So an acknowledged offset never goes back, and a crash at any point leaves
// nothing to repair.
package uploads
