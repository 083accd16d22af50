package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"

	"github.com/google/uuid"

	"github.com/latchd/latchd/transport/iothub"
)

// HubID returns the hub's id. Open creates it with the file, and it never changes while
// the file is open. A copy of the file has the same id until [Store.MarkRestored].
func (s *Store) HubID() iothub.HubID { return s.hubID }

// createHubID gives the hub its id unless it has one. The id does not change the version
// of the schema, so that earlier releases can read the file.
func createHubID(tx *sql.Tx) error {
	_, err := tx.Exec(`INSERT INTO settings (name, value) VALUES ('hub-id', ?) ON CONFLICT DO NOTHING`, uuid.NewString())
	return err
}

// MarkRestored records in the hub's id that the file was restored from a backup. Clients
// then know that the hub may have forgotten jobs. The new id counts from the next Open.
func (s *Store) MarkRestored(ctx context.Context) error {
	mark := make([]byte, 4)
	rand.Read(mark)
	id := s.hubID.Restored(hex.EncodeToString(mark))

	return s.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE settings SET value = ? WHERE name = 'hub-id'`, string(id))
		return err
	})
}
