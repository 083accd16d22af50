package store

import (
	"context"
	"database/sql"

	"github.com/latchd/latchd/transport/iothub"
)

// peopleTable adds the table of the persons who have access to the hub. It is no part of a
// version, so that earlier releases can read the file. Package people defines the bodies.
const peopleTable = `
CREATE TABLE IF NOT EXISTS people (
	name TEXT PRIMARY KEY COLLATE NOCASE,
	body BLOB NOT NULL
) WITHOUT ROWID;
`

// PutPerson stores a person's access. name matches in any case.
func (s *Store) PutPerson(ctx context.Context, name string, body []byte) error {
	return wrapError("store the access of "+name, s.Update(ctx, func(*sql.Tx) error {
		_, err := s.exec(`INSERT INTO people (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body`, name, body)
		return err
	}))
}

// DeletePerson deletes a person's access. It fails with NotFound if there is none.
func (s *Store) DeletePerson(ctx context.Context, name string) error {
	return wrapError("delete the access of "+name, s.Update(ctx, func(*sql.Tx) error {
		result, err := s.exec(`DELETE FROM people WHERE name = ?`, name)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			return iothub.Errorf(iothub.CodeNotFound, "there is no person %s", name)
		}
		return err
	}))
}

// People returns the access of all persons, by their names.
func (s *Store) People(ctx context.Context) (map[string][]byte, error) {
	rows, err := s.readDB.QueryContext(ctx, `SELECT name, body FROM people`)
	if err != nil {
		return nil, wrapError("read the access of persons", err)
	}
	defer rows.Close()

	people := make(map[string][]byte)
	for rows.Next() {
		var name string
		var body []byte
		if err := rows.Scan(&name, &body); err != nil {
			return nil, wrapError("read the access of persons", err)
		}
		people[name] = body
	}
	return people, wrapError("read the access of persons", rows.Err())
}
