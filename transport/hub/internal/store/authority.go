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

// maxAuthorities is the maximum number of certificate authorities, the same as in IoT
// Hub.
const maxAuthorities = 25

// Authority is a certificate authority that the hub trusts. Devices can log in with
// certificates that it has signed.
type Authority struct {
	Name        string
	Certificate *x509.Certificate
	Created     time.Time
}

// AddAuthority adds a trusted certificate authority. To prevent accidental replacement,
// it fails if the name or the certificate is already stored.
func (s *Store) AddAuthority(ctx context.Context, name string, certificate *x509.Certificate) (Authority, error) {
	added := Authority{Name: name, Certificate: certificate, Created: s.now().UTC().Truncate(time.Microsecond)}

	err := s.Update(ctx, func(tx *sql.Tx) error {
		stored, err := readAuthorities(ctx, tx)
		if err != nil {
			return err
		}
		for _, a := range stored {
			if a.Name == name || bytes.Equal(a.Certificate.Raw, certificate.Raw) {
				return iothub.Errorf(iothub.CodePreconditionFailed, "the authority %s already exists, with the subject %s: remove it first", a.Name, a.Certificate.Subject)
			}
		}
		if len(stored) >= maxAuthorities {
			return iothub.Errorf(iothub.CodeQuotaExceeded, "the hub has reached its limit of %d authorities: remove one first", maxAuthorities)
		}

		_, err = s.exec(`INSERT INTO authorities (name, certificate, created) VALUES (?, ?, ?)`, name, certificate.Raw, toMicros(added.Created))
		return err
	})
	return added, wrapError("add the authority "+name, err)
}

// Authorities returns all certificate authorities, sorted by name.
func (s *Store) Authorities(ctx context.Context) ([]Authority, error) {
	list, err := readAuthorities(ctx, s.readDB)
	return list, wrapError("list authorities", err)
}

// readAuthorities reads all certificate authorities through db, which is a transaction or
// a connection pool.
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
		a.Created = fromMicros(created)
		list = append(list, a)
	}
	return list, rows.Err()
}

// RemoveAuthority removes a certificate authority. It returns the ids of all devices that
// log in with a certificate of any authority. The caller should disconnect these devices:
// the hub does not store which authority signed a device's certificate.
func (s *Store) RemoveAuthority(ctx context.Context, name string) (devices []string, err error) {
	err = s.Update(ctx, func(*sql.Tx) error {
		var removed string
		err := s.queryRow(`DELETE FROM authorities WHERE name = ? RETURNING name`, name).Scan(&removed)
		if errors.Is(err, sql.ErrNoRows) {
			return iothub.Errorf(iothub.CodeNotFound, "there is no authority %s", name)
		}
		return err
	})
	if err != nil {
		return nil, wrapError("remove the authority "+name, err)
	}

	rows, err := s.readDB.QueryContext(ctx, `SELECT id FROM devices WHERE auth_type = 'certificateAuthority'`)
	if err == nil {
		devices, err = readTexts(rows)
	}
	return devices, wrapError("list devices", err)
}
