package sqlite

// migrations bring a database forward, each by one version (PRAGMA user_version). One that was released is never
// changed; a new one is added at the end.
var migrations = []string{
	`CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
	CREATE TABLE users (
		name    TEXT PRIMARY KEY,
		hash    TEXT NOT NULL,
		created INTEGER NOT NULL
	) STRICT, WITHOUT ROWID;
	CREATE TABLE sessions (
		id      TEXT PRIMARY KEY,
		user    TEXT NOT NULL,
		device  TEXT NOT NULL,
		refresh BLOB NOT NULL,
		created INTEGER NOT NULL,
		expires INTEGER NOT NULL,
		ended   INTEGER NOT NULL DEFAULT 0 -- 0: it lives
	) STRICT, WITHOUT ROWID;
	CREATE INDEX sessions_by_end ON sessions (expires);
	CREATE TABLE channels (
		name    TEXT PRIMARY KEY,
		private INTEGER NOT NULL,
		owner   TEXT NOT NULL,
		created INTEGER NOT NULL,
		last    INTEGER NOT NULL DEFAULT 0 -- newest seq
	) STRICT, WITHOUT ROWID;
	CREATE TABLE members (
		channel TEXT NOT NULL REFERENCES channels (name),
		user    TEXT NOT NULL,
		PRIMARY KEY (channel, user)
	) STRICT, WITHOUT ROWID;
	CREATE TABLE messages (
		channel     TEXT NOT NULL,
		seq         INTEGER NOT NULL,
		user        TEXT NOT NULL,
		id          TEXT NOT NULL,
		text        TEXT NOT NULL,
		attachments BLOB, -- compact JSON
		time        INTEGER NOT NULL,
		PRIMARY KEY (channel, seq)
	) STRICT, WITHOUT ROWID;
	CREATE UNIQUE INDEX messages_by_id ON messages (user, id);
	CREATE TABLE device_seqs (
		user    TEXT NOT NULL,
		device  TEXT NOT NULL,
		channel TEXT NOT NULL,
		last    INTEGER NOT NULL,
		used    INTEGER NOT NULL,
		PRIMARY KEY (user, device, channel)
	) STRICT, WITHOUT ROWID;
	CREATE TABLE outgoing ( -- committed and not yet published, in the order of commits
		n       INTEGER PRIMARY KEY,
		channel TEXT NOT NULL,
		seq     INTEGER NOT NULL
	) STRICT;
	CREATE UNIQUE INDEX outgoing_by_seq ON outgoing (channel, seq);`,
}
