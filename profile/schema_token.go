package profile

const tokenTables = ``
