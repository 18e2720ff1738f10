package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/profile"
)

// runRescue writes what can be saved from a damaged profile to stdout, and says on stderr what became of it.
func runRescue(cmd *cobra.Command, dir string) error {
	if err := checkProfile(dir); err != nil {
		return err
	}
	found, err := profile.Rescue(dir, cmd.OutOrStdout())
	switch {
	case errors.Is(err, profile.ErrSound):
		return failure(err, "chatsdk outbox export without --rescue writes what is in it")
	case err != nil:
		return profileError(err)
	}
	note := fmt.Sprintf("%d messages saved", found.Messages)
	if found.Damaged > 0 {
		note += fmt.Sprintf(", %d more can't be read", found.Damaged)
	}
	if found.Files > 0 {
		note += fmt.Sprintf(", %d of their files can't be found", found.Files)
	}
	if found.Cut != nil {
		note += ", and there may have been others"
	}
	errs := []error{writeNote(cmd, note)}
	for _, path := range found.Aside {
		errs = append(errs, writeNote(cmd, "set aside: "+path))
	}
	return errors.Join(errs...)
}

func writeNote(cmd *cobra.Command, note string) error {
	_, err := fmt.Fprintln(cmd.ErrOrStderr(), printable(note))
	return err
}
