package store

import (
	"crypto/rand"
	"database/sql"
	"fmt"

	"github.com/latchd/latchd/transport/iothub"
)

// prepare brings the file to this release's schema and to the state that holds
// after a start: nobody is connected.
func prepare(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	switch {
	case version > schemaVersion:
		return fmt.Errorf("its format is %d, this release knows formats up to %d; start the release that wrote it",
			version, schemaVersion)
	case version == schemaVersion:
	default:
		if err := migrate(tx, version); err != nil {
			return err
		}
	}
	_, err = tx.Exec(`UPDATE devices SET connection_state = ? WHERE connection_state = ?`,
		iothub.Disconnected, iothub.Connected)
	if err != nil {
		return err
	}
	return tx.Commit()
}

// migrate brings the file from a version, 0 for an empty one, to schemaVersion.
func migrate(tx *sql.Tx, version int) error {
	if version < 1 {
		key := make([]byte, 32)
		rand.Read(key)
		if _, err := tx.Exec(schema); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO settings (name, value) VALUES ('continuation-key', ?)`, key); err != nil {
			return err
		}
	}
	if version < 2 {
		number := make([]byte, 4)
		rand.Read(number)
		if _, err := tx.Exec(provisioning); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO settings (name, value) VALUES ('id-scope', ?)`, fmt.Sprintf("0ne%X", number)); err != nil {
			return err
		}
	}
	if version < 3 {
		if _, err := tx.Exec(authorities); err != nil {
			return err
		}
	}
	_, err := tx.Exec(fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion))
	return err
}
