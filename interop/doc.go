// Package interop tries the library with other people's servers and clients, in process and on real sockets. It is a module
// of its own, so that what those depend on reaches nobody.
package interop
