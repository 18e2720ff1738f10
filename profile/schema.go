package profile

// migrations bring a database forward, each by one version (PRAGMA user_version). One that was released is never
// changed; a new one is added at the end. None may delete or drop a message that is queued: what a queue accepted is
// owed to the user, whatever the program became since. The tables of each part stand in its own file.
var migrations = []string{
	metaTables,
	inboxTables,
	tokenTables,
	outboxTables,
}

const metaTables = `CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID`
