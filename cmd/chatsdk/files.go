package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/chatsdk/chatsdk/server"
)

// readPassword reads a password file. Neither errors nor logs ever hold what is in it.
func readPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", config(fmt.Errorf("password file %s: %w", path, unwrapPath(err)), "--password-file names a file with the password in it")
	}
	defer f.Close()
	// A line end, and one byte more to see that there is too much.
	b, err := io.ReadAll(io.LimitReader(f, server.MaxPasswordBytes+3))
	if err != nil {
		return "", config(fmt.Errorf("password file %s: %w", path, unwrapPath(err)), "")
	}
	password := server.PasswordFromFile(b)
	switch {
	case password == "":
		return "", config(fmt.Errorf("password file %s is empty", path), "")
	case len(password) > server.MaxPasswordBytes:
		return "", config(fmt.Errorf("password file %s has more than %d bytes", path, server.MaxPasswordBytes), "is it the right file?")
	}
	return password, nil
}

// unwrapPath drops the path from an error whose text says it already.
func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
