package store

import (
	"context"
	"database/sql"
	"encoding/json"
)

// Session holds the subscriptions of an MQTT client that asked the hub to keep them
// between connections (CleanSession=0).
type Session struct {
	ClientID      string
	Subscriptions map[string]byte // maps a topic filter to its quality of service (QoS)
}

// Sessions returns all stored MQTT sessions, sorted by client id.
func (s *Store) Sessions(ctx context.Context) ([]Session, error) {
	rows, err := s.readDB.QueryContext(ctx, `SELECT client_id, subscriptions FROM sessions ORDER BY client_id`)
	if err != nil {
		return nil, wrapError("read sessions", err)
	}
	defer rows.Close()

	var list []Session
	for rows.Next() {
		var session Session
		var text []byte
		if err := rows.Scan(&session.ClientID, &text); err != nil {
			return nil, wrapError("read sessions", err)
		}
		if err := json.Unmarshal(text, &session.Subscriptions); err != nil {
			return nil, wrapError("read the session of "+session.ClientID, err)
		}
		list = append(list, session)
	}
	return list, wrapError("read sessions", rows.Err())
}

// SaveSession stores a client's MQTT session in place of the client's previous session.
func (s *Store) SaveSession(ctx context.Context, session Session) error {
	text, err := json.Marshal(session.Subscriptions)
	if err == nil {
		err = s.Update(ctx, func(tx *sql.Tx) error {
			_, err := s.exec(`INSERT INTO sessions (client_id, subscriptions) VALUES (?, ?)
				ON CONFLICT (client_id) DO UPDATE SET subscriptions = excluded.subscriptions`, session.ClientID, string(text))
			return err
		})
	}
	return wrapError("save the session of "+session.ClientID, err)
}

// DeleteSession removes a client's MQTT session if there is one.
func (s *Store) DeleteSession(ctx context.Context, clientID string) error {
	err := s.Update(ctx, func(tx *sql.Tx) error {
		_, err := s.exec(`DELETE FROM sessions WHERE client_id = ?`, clientID)
		return err
	})
	return wrapError("delete the session of "+clientID, err)
}
