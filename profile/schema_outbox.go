package profile

const outboxTables = ``
