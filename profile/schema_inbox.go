package profile

// inboxTables hold received messages, which are a cache, and the marks, which are not.
const inboxTables = `CREATE TABLE inbox_messages (
	channel     TEXT NOT NULL,
	seq         INTEGER NOT NULL,
	id          TEXT NOT NULL,
	user        TEXT NOT NULL,
	text        TEXT NOT NULL,
	attachments BLOB, -- JSON
	time        INTEGER NOT NULL, -- milliseconds since 1970
	PRIMARY KEY (channel, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE inbox_channels (
	channel   TEXT PRIMARY KEY,
	processed INTEGER NOT NULL DEFAULT 0, -- the application is done with all up to here
	shown     INTEGER NOT NULL DEFAULT 0, -- nothing above was shown
	first     INTEGER NOT NULL DEFAULT 0, -- of inbox_messages, which have no gap between first and last
	last      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID`
