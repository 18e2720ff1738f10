package profile

// uploadTables hold the uploads: a row's data is what upload_codec.go writes, with a checksum over it. The highest place
// ever given stands in meta, since a forgotten row takes its own along.
const uploadTables = `CREATE TABLE uploads (
	place INTEGER PRIMARY KEY, -- Upload.Order
	id    TEXT NOT NULL UNIQUE,
	data  BLOB NOT NULL
) STRICT`
