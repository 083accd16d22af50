package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/latchd/latchd/transport/hub"
)

// newBackup makes the command "backup", which works while the hub is running.
func newBackup() *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "write the hub's data to a new file; the hub may be running",
		Long: `Write the hub's data to a new tar archive: devices, twins, jobs, enrollments,
certificates and keys. The hub may be running; the copy of the database has the
state at one moment. Protect the file like the hub itself: it contains all keys.`,
		Example: `  latchhub backup /var/backups/latchhub.tar --data /var/lib/latchhub`,
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dataDir == "" {
				return usageError{errNoDataDir}
			}
			return hub.Backup(cmd.Context(), dataDir, args[0])
		},
	}
	cmd.Flags().StringVar(&dataDir, "data", "", "data directory of the hub")
	return cmd
}

// newRestore makes the command "restore".
func newRestore(stdout io.Writer) *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "fill an empty data directory from a backup",
		Long: `Fill an empty data directory from a file that 'latchhub backup' wrote. Stop the old
hub first: two hubs with the same keys would both send commands to the doors.

Jobs that had not ended at the time of the backup fail, and the result of their
remaining devices is unknown. The old hub may have called these devices after
the backup, so the restored hub does not call them again.`,
		Example: `  latchhub restore /var/backups/latchhub.tar --data /var/lib/latchhub`,
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dataDir == "" {
				return usageError{errNoDataDir}
			}
			jobs, err := hub.Restore(cmd.Context(), dataDir, args[0])
			if err == nil {
				_, err = fmt.Fprintf(stdout, "restored %s; unfinished jobs that were ended: %d\n", dataDir, jobs)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dataDir, "data", "", "empty or missing data directory")
	return cmd
}
