package store

// schemaVersion is the current version of the database schema, which SQLite stores as
// user_version. Open migrates files with earlier versions and refuses files with later
// versions.
const schemaVersion = 5

// schemaV1 creates version 1 of the database. Times are Unix microseconds in UTC. Package
// query contains the column names, too.
//
// A device's identity and twin share one row: queries read both, and a report changes
// only one row. The metadata columns come last, so that SQLite can skip them in queries
// that do not need metadata.
const schemaV1 = `
CREATE TABLE devices (
	id                   TEXT    PRIMARY KEY NOT NULL,
	generation_id        TEXT    NOT NULL,
	device_etag          TEXT    NOT NULL,
	status               TEXT    NOT NULL,
	status_reason        TEXT,
	status_updated       INTEGER NOT NULL,
	connection_state     TEXT    NOT NULL,
	connection_updated   INTEGER NOT NULL,
	last_activity        INTEGER NOT NULL,
	auth_type            TEXT    NOT NULL,
	primary_key          TEXT    NOT NULL,
	secondary_key        TEXT    NOT NULL,
	primary_thumbprint   TEXT,
	secondary_thumbprint TEXT,
	iot_edge             INTEGER NOT NULL,
	model_id             TEXT    NOT NULL,
	etag                 TEXT    NOT NULL,
	version              INTEGER NOT NULL,
	desired_version      INTEGER NOT NULL,
	reported_version     INTEGER NOT NULL,
	tags                 TEXT    NOT NULL,
	desired              TEXT    NOT NULL,
	reported             TEXT    NOT NULL,
	desired_metadata     TEXT    NOT NULL,
	reported_metadata    TEXT    NOT NULL
);
CREATE INDEX devices_connection ON devices (connection_state, id);

CREATE TABLE sessions (
	client_id     TEXT PRIMARY KEY,
	subscriptions TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE jobs (
	id             TEXT    PRIMARY KEY,
	seq            INTEGER NOT NULL UNIQUE,
	type           TEXT    NOT NULL,
	condition      TEXT    NOT NULL,
	created        INTEGER NOT NULL,
	start          INTEGER NOT NULL,
	ended          INTEGER,
	max_execution  INTEGER NOT NULL,
	method         TEXT,
	update_twin    TEXT,
	status         TEXT    NOT NULL,
	failure_reason TEXT    NOT NULL DEFAULT '',
	status_message TEXT    NOT NULL DEFAULT ''
);

CREATE TABLE device_jobs (
	job_id            TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
	device_id         TEXT    NOT NULL,
	status            TEXT    NOT NULL,
	created           INTEGER NOT NULL,
	started           INTEGER,
	ended             INTEGER,
	updated           INTEGER NOT NULL,
	response_status   INTEGER,
	response_payload  TEXT,
	error_code        TEXT,
	error_description TEXT,
	PRIMARY KEY (job_id, device_id)
) WITHOUT ROWID;
CREATE INDEX device_jobs_status ON device_jobs (job_id, status);
CREATE INDEX device_jobs_device ON device_jobs (device_id);

CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
) WITHOUT ROWID;
`

// schemaV2 migrates the database from version 1 to version 2, which adds the provisioning
// service. Package provisioning defines the contents of the columns named body.
const schemaV2 = `
CREATE TABLE enrollments (
	is_group INTEGER NOT NULL,
	id       TEXT    NOT NULL,
	etag     INTEGER NOT NULL,
	body     BLOB    NOT NULL,
	PRIMARY KEY (is_group, id)
) WITHOUT ROWID;

CREATE TABLE registrations (
	id   TEXT PRIMARY KEY,
	body BLOB NOT NULL
) WITHOUT ROWID;
`

// idIndexes adds the indexes with which enrollments and registrations are found in any
// case. They are no part of a version, so that earlier releases can read the file.
const idIndexes = `
CREATE INDEX IF NOT EXISTS enrollments_any_case ON enrollments (is_group, id COLLATE NOCASE);
CREATE INDEX IF NOT EXISTS registrations_any_case ON registrations (id COLLATE NOCASE);
`

// schemaV3 migrates the database from version 2 to version 3, which adds the certificate
// authorities that sign device certificates.
const schemaV3 = `
CREATE TABLE authorities (
	name        TEXT PRIMARY KEY,
	certificate BLOB NOT NULL,
	created     INTEGER NOT NULL
) WITHOUT ROWID;
`

// schemaV4 migrates the database from version 3 to version 4, which records the owner of
// each device that registered itself; see [Store.RegisterDevice]. Version 3 did not record
// which enrollment registered a device. The owner of such a device is its registration.
const schemaV4 = `
ALTER TABLE devices ADD COLUMN owner TEXT;
UPDATE devices SET owner = 'registration:' || (
	SELECT id FROM registrations WHERE json_extract(CAST(body AS TEXT), '$.deviceId') = devices.id);
`

// schemaV5 migrates the database from version 4 to version 5, which records the size of
// each job's definition, in bytes. It is 0 for jobs that had ended before.
const schemaV5 = `
ALTER TABLE jobs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET bytes = length(CAST(condition AS BLOB)) + length(CAST(coalesce(method, '') AS BLOB)) + length(CAST(coalesce(update_twin, '') AS BLOB))
	WHERE ended IS NULL;
CREATE INDEX jobs_unfinished ON jobs (bytes) WHERE ended IS NULL;
`
