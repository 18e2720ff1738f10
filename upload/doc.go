// Package upload brings files to a tus 1.0 server, whatever becomes of the connection or the process.
//
// A Queue takes files at any time and uploads a few at once. Each has a row in a Store: what is to be done is written
// there before it is done, so that a new process goes on where the last one was. The server's offset is the truth; the
// file is read again from there, never kept in memory. What is uploaded is the file as it was when it was added: a change
// is found before, during and after, and SHA-256 is compared from end to end where the server tells its own.
package upload
