package store

import (
	"bytes"
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// maxAuthorities is the most that there can be, as in IoT Hub.
const maxAuthorities = 25

// Authority vouches for the certificates of devices that log in by one of a
// certificate authority.
type Authority struct {
	Name        string
	Certificate *x509.Certificate
	Created     time.Time
}

// AddAuthority adds a certificate authority. A name or a certificate that is
// there already is refused: what is trusted is never replaced unseen.
func (s *Store) AddAuthority(ctx context.Context, name string, certificate *x509.Certificate) (Authority, error) {
	added := Authority{Name: name, Certificate: certificate, Created: s.now().UTC().Truncate(time.Microsecond)}
	err := s.Update(ctx, func(tx *sql.Tx) error {
		present, err := readAuthorities(ctx, tx)
		if err != nil {
			return err
		}
		for _, a := range present {
			if a.Name == name || bytes.Equal(a.Certificate.Raw, certificate.Raw) {
				return iothub.Errorf(iothub.CodePreconditionFailed, "the authority %s is there, with the subject %s, remove it first", a.Name, a.Certificate.Subject)
			}
		}
		if len(present) >= maxAuthorities {
			return iothub.Errorf(iothub.CodeQuotaExceeded, "there are %d authorities, which is the most that there can be", len(present))
		}
		_, err = s.exec(`INSERT INTO authorities (name, certificate, created) VALUES (?, ?, ?)`, name, certificate.Raw, micros(added.Created))
		return err
	})
	return added, failed("add the authority "+name, err)
}

// Authorities returns all authorities, in the order of their names.
func (s *Store) Authorities(ctx context.Context) ([]Authority, error) {
	list, err := readAuthorities(ctx, s.readDB)
	return list, failed("list authorities", err)
}

func readAuthorities(ctx context.Context, db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}) ([]Authority, error) {
	rows, err := db.QueryContext(ctx, `SELECT name, certificate, created FROM authorities ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Authority
	for rows.Next() {
		var a Authority
		var raw []byte
		var created int64
		if err := rows.Scan(&a.Name, &raw, &created); err != nil {
			return nil, err
		}
		if a.Certificate, err = x509.ParseCertificate(raw); err != nil {
			return nil, fmt.Errorf("the stored authority %s: %w", a.Name, err)
		}
		a.Created = moment(created)
		list = append(list, a)
	}
	return list, rows.Err()
}

// RemoveAuthority removes an authority and returns the devices that log in by
// any: their links may rest on the one that is gone.
func (s *Store) RemoveAuthority(ctx context.Context, name string) (devices []string, err error) {
	err = s.Update(ctx, func(*sql.Tx) error {
		var found string
		err := s.queryRow(`DELETE FROM authorities WHERE name = ? RETURNING name`, name).Scan(&found)
		if errors.Is(err, sql.ErrNoRows) {
			return iothub.Errorf(iothub.CodeNotFound, "there is no authority %s", name)
		}
		return err
	})
	if err != nil {
		return nil, failed("remove the authority "+name, err)
	}
	rows, err := s.readDB.QueryContext(ctx, `SELECT id FROM devices WHERE auth_type = 'certificateAuthority'`)
	if err != nil {
		return nil, failed("list devices", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, failed("list devices", err)
		}
		devices = append(devices, id)
	}
	return devices, failed("list devices", rows.Err())
}
