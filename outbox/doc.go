// Package outbox keeps what is to be sent and sends it once, in order, whatever becomes of the connection.
//
// A Queue takes messages at any time and hands them to a SendFunc while it is ready. Each channel has an order of its
// own; channels don't wait for each other. Several batches may be under way. Order is held by a number, DeviceSeq, that
// counts a device's messages in a channel: the receiver refuses a number that isn't the next one. Once is held by the
// id: the receiver answers an id that it has with the first result. Hence the rule that everything here follows from:
// what may have been sent is sent again with the same id and number until its outcome is known.
package outbox
