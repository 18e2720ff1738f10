package profile

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
	processed INTEGER NOT NULL
) STRICT, WITHOUT ROWID`
