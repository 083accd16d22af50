package store

import (
	"context"
	"database/sql"
	"encoding/json"
)

// Session is what an MQTT client that connected with CleanSession=0 has
// subscribed to: filters with their quality of service.
type Session struct {
	ClientID      string
	Subscriptions map[string]byte
}

// Sessions returns all sessions in the order of their client ids.
func (s *Store) Sessions(ctx context.Context) ([]Session, error) {
	rows, err := s.readDB.QueryContext(ctx, `SELECT client_id, subscriptions FROM sessions ORDER BY client_id`)
	if err != nil {
		return nil, failed("read sessions", err)
	}
	defer rows.Close()
	var list []Session
	for rows.Next() {
		var session Session
		var text []byte
		if err := rows.Scan(&session.ClientID, &text); err != nil {
			return nil, failed("read sessions", err)
		}
		if err := json.Unmarshal(text, &session.Subscriptions); err != nil {
			return nil, failed("read the session of "+session.ClientID, err)
		}
		list = append(list, session)
	}
	return list, failed("read sessions", rows.Err())
}

// SaveSession stores a client's session in place of the one before.
func (s *Store) SaveSession(ctx context.Context, session Session) error {
	text, err := json.Marshal(session.Subscriptions)
	if err == nil {
		err = s.Update(ctx, func(tx *sql.Tx) error {
			_, err := s.exec(`INSERT INTO sessions (client_id, subscriptions) VALUES (?, ?)
				ON CONFLICT (client_id) DO UPDATE SET subscriptions = excluded.subscriptions`, session.ClientID, string(text))
			return err
		})
	}
	return failed("save the session of "+session.ClientID, err)
}

// DeleteSession removes a client's session, if it has one.
func (s *Store) DeleteSession(ctx context.Context, clientID string) error {
	err := s.Update(ctx, func(tx *sql.Tx) error {
		_, err := s.exec(`DELETE FROM sessions WHERE client_id = ?`, clientID)
		return err
	})
	return failed("delete the session of "+clientID, err)
}
