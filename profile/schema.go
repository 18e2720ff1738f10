package profile

// migrations bring a database forward, each by one version (PRAGMA user_version). One that was released is never
// changed; a new one is added at the end. None may delete or drop a message that is queued: what a queue accepted is
// owed to the user, whatever the program became since. The tables of each part stand in its own file.
var migrations = []string{
	metaTables,
	inboxTables,
	tokenTables,
	outboxTables,
	uploadTables,
}

// metaTables hold the device's name, and whose profile it is: one row once it was claimed.
const metaTables = `CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE owner (
	id     INTEGER PRIMARY KEY CHECK (id = 1),
	server TEXT NOT NULL,
	user   TEXT NOT NULL
) STRICT`
