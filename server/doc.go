// Package server is the reference server of the SDK: accounts, channels, messages and the realtime stream behind one
// http.Handler, with its storage behind Store.
//
// The order of things is: a message, its number in the channel (Seq), the device's own number (DeviceSeq) and its
// outgoing publication are committed in one transaction; a relay then publishes what was committed, for each channel in
// the order of Seq. The stream is a hint, the table is the truth: what a client misses in the stream it reads from the
// table by Seq.
//
// A Server is made by New, started by Start, serves through Handler or Serve, and ends by Shutdown (clients are told to
// come back, spread over time) or Kill (nobody is told). It doesn't close its Store: whoever opened it does.
package server
