package store

import (
	"crypto/rand"
	"database/sql"
	"fmt"
)

// prepare migrates the database file to the current version.
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
	if version > schemaVersion {
		return fmt.Errorf("the file has format %d, but this release supports formats up to %d: use the release that wrote the file",
			version, schemaVersion)
	}
	if version < schemaVersion {
		if err := migrate(tx, version); err != nil {
			return err
		}
	}

	if _, err := tx.Exec(idIndexes + peopleTable); err != nil {
		return err
	}
	if err := createJobSizes(tx); err != nil {
		return err
	}
	if err := createHubID(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// migrate migrates a database file to the current version. An empty file has version 0.
func migrate(tx *sql.Tx, version int) error {
	if version < 1 {
		key := make([]byte, 32)
		rand.Read(key)
		if _, err := tx.Exec(schemaV1); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO settings (name, value) VALUES ('continuation-key', ?)`, key); err != nil {
			return err
		}
	}

	if version < 2 {
		number := make([]byte, 4)
		rand.Read(number)
		if _, err := tx.Exec(schemaV2); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO settings (name, value) VALUES ('id-scope', ?)`, fmt.Sprintf("0ne%X", number)); err != nil {
			return err
		}
	}

	if version < 3 {
		if _, err := tx.Exec(schemaV3); err != nil {
			return err
		}
	}

	if version < 4 {
		if _, err := tx.Exec(schemaV4); err != nil {
			return err
		}
	}

	if version < 5 {
		if _, err := tx.Exec(schemaV5); err != nil {
			return err
		}
	}

	_, err := tx.Exec(fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion))
	return err
}
