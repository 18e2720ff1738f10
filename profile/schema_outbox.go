package profile

// outboxTables hold the queue. An entry's data is what outbox_codec.go writes, with a checksum over it, so that a row
// which the disk or a person damaged is seen as such. The state stands beside it to find rows by it.
const outboxTables = `CREATE TABLE outbox_entries (
	place INTEGER PRIMARY KEY, -- Entry.Order
	id    TEXT NOT NULL UNIQUE,
	state INTEGER NOT NULL, -- outbox.State
	data  BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_settled ON outbox_entries (place) WHERE state IN (2, 4, 5);
CREATE TABLE outbox_counts (
	account TEXT NOT NULL,
	channel TEXT NOT NULL,
	last    INTEGER NOT NULL, -- outbox.Count
	sent    INTEGER NOT NULL,
	PRIMARY KEY (account, channel)
) STRICT, WITHOUT ROWID`
