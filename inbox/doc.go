// Package inbox keeps what was received and shows it to the application in order, once, without a gap.
//
// Each channel's messages are numbered by the server: 1, 2, 3, … without holes. The stream that brings them is a hint:
// it may repeat, skip or reorder. The inbox puts what comes in order, fetches what is missing, and keeps apart what was
// received from what the application has processed, so that a crash in between shows a message again instead of
// losing it.
//
// How far the application got is noted in the store in groups: with the messages that come, each second, at Close, and
// before the next 64 messages are shown. So a crash shows at most the last 64 again, marked as such, and leaves none out.
//
// A channel has one number that matters, top: everything up to it that anybody asked for is in the store. Messages
// above it wait in pending until the gap is filled. Three kinds of goroutine work on it: the writer moves contiguous
// messages from pending into the store and raises top; a filler for each channel fetches while top is below what the
// server has; readers follow top with a cursor of their own. The mutex covers numbers and maps only, never a call.
package inbox
