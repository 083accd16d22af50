package store

import (
	"database/sql"
	"errors"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

func TestEnrollments(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(group bool, id, body, ifMatch string) (string, error) {
		return s.PutEnrollment(ctx, Enrollment{Group: group, ID: id, Body: []byte(body)}, ifMatch)
	}
	// want checks the result of a step. An empty code means that the step must succeed;
	// otherwise it must fail with the code.
	want := func(what string, err error, code iothub.Code) {
		t.Helper()
		if code == "" && err != nil || code != "" && !errors.Is(err, &iothub.Error{Code: code}) {
			t.Errorf("%s: %v, want %q", what, err, code)
		}
	}

	_, err = put(false, "a", "1", "*")
	want("change an enrollment that does not exist", err, iothub.CodeNotFound)
	first, err := put(false, "a", "1", "")
	want("create", err, "")
	_, err = put(true, "a", "group", "")
	want("create a group with the same id", err, "")
	_, err = put(false, "a", "2", "")
	want("create again", err, iothub.CodeDeviceAlreadyExists)
	second, err := put(false, "a", "2", first)
	want("change", err, "")
	_, err = put(false, "a", "3", first)
	want("change with an old etag", err, iothub.CodePreconditionFailed)
	if first == second {
		t.Error("the change has not changed the etag")
	}
	e, err := s.Enrollment(ctx, false, "a")
	if err != nil || string(e.Body) != "2" || e.ETag != second {
		t.Errorf("the enrollment is %+v, error %v", e, err)
	}

	want("delete with an old etag", s.DeleteEnrollment(ctx, false, "a", first), iothub.CodePreconditionFailed)
	want("delete", s.DeleteEnrollment(ctx, false, "a", second), "")
	want("delete again", s.DeleteEnrollment(ctx, false, "a", ""), iothub.CodeNotFound)
	_, err = s.Enrollment(ctx, false, "a")
	want("read a deleted enrollment", err, iothub.CodeNotFound)
	if list, err := s.Enrollments(ctx, true); err != nil || len(list) != 1 || string(list[0].Body) != "group" {
		t.Errorf("the groups are %+v, error %v", list, err)
	}
}

// TestMigrationFromVersion1 checks that a database file of the first release gets the
// new tables and settings, and keeps its old data.
func TestMigrationFromVersion1(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hub.db")
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{schemaV1, `INSERT INTO settings VALUES ('continuation-key', 'key of the first release')`, `PRAGMA user_version = 1`} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	var scope string
	for i := range 2 { // the second Open opens a migrated file
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(s.signingKey) != "key of the first release" {
			t.Errorf("the signing key is %q", s.signingKey)
		}
		if !regexp.MustCompile(`^0ne[0-9A-F]{8}$`).MatchString(s.IDScope()) || scope != "" && s.IDScope() != scope {
			t.Errorf("the id scope is %q, but was %q", s.IDScope(), scope)
		}
		scope = s.IDScope()
		if _, err := s.PutEnrollment(t.Context(), Enrollment{ID: strconv.Itoa(i), Body: []byte("{}")}, ""); err != nil {
			t.Error(err)
		}
		s.Close()
	}
}
