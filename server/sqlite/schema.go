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
	// Refresh tokens become counters. A session from before keeps its token, by its hash in refresh, as number 0.
	`ALTER TABLE sessions ADD COLUMN counter   INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE sessions ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE sessions ADD COLUMN refreshed INTEGER NOT NULL DEFAULT 0; -- 0: never
	ALTER TABLE sessions ADD COLUMN replay    BLOB;
	ALTER TABLE sessions ADD COLUMN replayed  INTEGER NOT NULL DEFAULT 0; -- 0: never`,
	`CREATE TABLE uploads (
		id       TEXT PRIMARY KEY,
		user     TEXT NOT NULL,
		key      TEXT, -- names the creation among those of the user
		kind     INTEGER NOT NULL,
		parts    TEXT NOT NULL, -- ids with spaces between
		metadata TEXT NOT NULL,
		length   INTEGER NOT NULL, -- -1: not known yet
		offset   INTEGER NOT NULL,
		hash     BLOB, -- state of SHA-256
		sha256   TEXT NOT NULL,
		state    INTEGER NOT NULL,
		created  INTEGER NOT NULL,
		expires  INTEGER NOT NULL
	) STRICT, WITHOUT ROWID;
	CREATE UNIQUE INDEX uploads_by_key ON uploads (user, key) WHERE key IS NOT NULL;
	CREATE INDEX uploads_by_user ON uploads (user);
	CREATE INDEX uploads_by_end ON uploads (expires);
	CREATE TABLE attached ( -- uploads that messages have attached
		upload  TEXT NOT NULL,
		channel TEXT NOT NULL,
		seq     INTEGER NOT NULL,
		PRIMARY KEY (upload, channel, seq)
	) STRICT, WITHOUT ROWID;`,
}
