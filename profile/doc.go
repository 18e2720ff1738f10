// Package profile keeps everything that a client must not lose in one folder: queued messages, received messages and
// what of them was processed, and the session. Open is the front door; the profile it returns is a chatsdk.Store.
//
// One process holds a profile at a time, by a lock of the operating system that ends with the process however it ends.
// The data is in one SQLite file. A write that has returned survives the end of the process and of the machine's power.
package profile
