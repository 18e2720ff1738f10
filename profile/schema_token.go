package profile

// tokenTables hold one row: the session as package token writes it. What it means is that package's affair.
const tokenTables = `CREATE TABLE session (
	id      INTEGER PRIMARY KEY CHECK (id = 1),
	version INTEGER NOT NULL,
	data    BLOB NOT NULL
) STRICT`
