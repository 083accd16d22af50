package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/iothub"
)

// parse parses a query, which must be valid.
func parse(t *testing.T, text string) *query.Query {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

// site opens a store with three doors and two jobs.
func site(t *testing.T) *Store {
	t.Helper()
	s := newStore(t)
	createDevices(t, s, "door-1", "door-2", "door-3")
	for id, patch := range map[string]string{
		"door-1": `{"tags":{"floor":3,"room":"<a&b>"},"properties":{"desired":{"building":"43"}}}`,
		"door-2": `{"tags":{"floor":"3"}}`,
	} {
		if _, err := s.UpdateTwin(t.Context(), id, patchOf(t, patch), "", false, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.SetConnection("door-2", true, "", epoch)

	err := s.Update(t.Context(), func(tx *sql.Tx) error {
		for i, statement := range []string{
			`INSERT INTO jobs (id, seq, type, condition, created, start, max_execution, status) VALUES ('lock', 1, 'scheduleDeviceMethod', '*', 0, 0, 60, 'running')`,
			`INSERT INTO jobs (id, seq, type, condition, created, start, max_execution, status) VALUES ('twin', 2, 'scheduleUpdateTwin', '*', 0, 0, 60, 'completed')`,
			fmt.Sprintf(`INSERT INTO device_jobs VALUES
				('lock', 'door-1', 'completed', %[1]d, %[1]d + 1000000, %[1]d + 1500000, %[1]d + 1500000, 500, '{"error":{"code":"jammed"}}', NULL, NULL),
				('lock', 'door-2', 'failed', %[1]d, %[1]d, %[1]d, %[1]d, NULL, NULL, 'DeviceNotOnline', 'not there'),
				('lock', 'door-3', 'pending', %[1]d, NULL, NULL, %[1]d, NULL, NULL, NULL, NULL),
				('twin', 'door-1', 'completed', %[1]d, %[1]d, %[1]d, %[1]d, NULL, NULL, NULL, NULL)`, epoch.UnixMicro()),
		} {
			if _, err := tx.Exec(statement); err != nil {
				return fmt.Errorf("statement %d: %w", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestQueryTwinsProjections(t *testing.T) {
	t.Parallel()
	s := site(t)
	for _, c := range []struct{ text, want string }{
		{"SELECT deviceId, tags.floor AS f FROM devices", `[{"deviceId":"door-1","f":3},{"deviceId":"door-2","f":"3"},{"deviceId":"door-3"}]`},
		{"SELECT LastActivityTime FROM devices WHERE deviceId IN ['door-1', 'door-2']",
			`[{"LastActivityTime":"0001-01-01T00:00:00Z"},{"LastActivityTime":"2026-11-23T22:38:00.123456Z"}]`},
		{"SELECT properties.desired.building, tags.room, capabilities.iotEdge, statusReason FROM devices WHERE deviceId = 'door-1'",
			`[{"building":"43","room":"<a&b>","iotEdge":false}]`},
		{"SELECT properties.desired FROM devices WHERE deviceId = 'door-2'", `[{"desired":{"$metadata":{` + updated + `},"$version":1}}]`},
		{"SELECT properties AS p FROM devices WHERE deviceId = 'door-2'",
			`[{"p":{"desired":{"$metadata":{` + updated + `},"$version":1},"reported":{"$metadata":{` + updated + `},"$version":1}}}]`},
		{"SELECT properties.desired.$metadata.building.$lastUpdatedVersion AS v, nothing FROM devices", `[{"v":2},{},{}]`},
		{"SELECT version, x509Thumbprint FROM devices WHERE tags.floor = 3", `[{"version":3,"x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null}}]`},
		{"SELECT COUNT() AS n FROM devices", `[{"n":3}]`},
		{"SELECT COUNT() AS n FROM devices WHERE tags.floor = 7", `[{"n":0}]`},
		{"SELECT COUNT() AS n, tags.floor FROM devices GROUP BY tags.floor", `[{"n":1},{"n":1,"floor":3},{"n":1,"floor":"3"}]`},
		{"SELECT COUNT() AS n FROM devices WHERE tags.floor = 7 GROUP BY nothing", `[]`},
		{"SELECT COUNT() AS n, nothing FROM devices GROUP BY nothing", `[{"n":3}]`},
		{"SELECT SUM(version) AS s, AVG(version) AS a, MIN(tags.floor) AS f, MAX(deviceId) AS no FROM devices", `[{"s":8,"a":2.6666666666666665,"f":3}]`},
		{"SELECT TOP 2 deviceId FROM devices", `[{"deviceId":"door-1"},{"deviceId":"door-2"}]`},
		{"SELECT TOP 1 COUNT() AS n, connectionState FROM devices GROUP BY connectionState, tags.floor", `[{"n":1,"connectionState":"Connected"}]`},
		{"SELECT deviceId FROM devices WHERE lastActivityTime >= '2026-11-23T22:38:00Z'", `[{"deviceId":"door-2"}]`},
		{"SELECT deviceId FROM devices WHERE lastActivityTime < '2026-11-24'", `[{"deviceId":"door-1"},{"deviceId":"door-2"},{"deviceId":"door-3"}]`},
		{"SELECT deviceId FROM devices WHERE STARTS_WITH(lastActivityTime, '2026-11')", `[{"deviceId":"door-2"}]`},
		{"SELECT deviceId FROM devices WHERE lastActivityTime IN ['2026-11-23T23:38:00.123456+01:00', '2026-11-23', 3]", `[{"deviceId":"door-2"}]`},
		{"SELECT deviceId FROM devices WHERE lastActivityTime > 3 OR NOT lastActivityTime > 3", `[]`},
	} {
		rows, next, err := s.QueryTwins(t.Context(), parse(t, c.text), 0, "")
		if err != nil || next != "" {
			t.Errorf("%s: error %v, next page %q", c.text, err, next)
			continue
		}
		// Join the rows as text, because encoding/json would escape characters in them.
		if got := "[" + strings.Join(texts(rows), ",") + "]"; got != c.want {
			t.Errorf("%s\nreturns %s\nwant    %s", c.text, got, c.want)
		}
	}
}

// texts converts rows of JSON to strings.
func texts(rows []json.RawMessage) []string {
	var list []string
	for _, r := range rows {
		list = append(list, string(r))
	}
	return list
}

// TestQueryTwinsReturnsWholeTwins checks that SELECT * returns a twin in the same form
// as the method Twin.
func TestQueryTwinsReturnsWholeTwins(t *testing.T) {
	t.Parallel()
	s := site(t)
	rows, _, err := s.QueryTwins(t.Context(), parse(t, "SELECT * FROM devices"), 0, "")
	if err != nil || len(rows) != 3 {
		t.Fatalf("the query returns %d rows (%v)", len(rows), err)
	}
	for i, row := range rows {
		twin, err := s.Twin(t.Context(), fmt.Sprintf("door-%d", i+1))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := jsonOf(t, objectOf(t, string(row))), jsonOf(t, objectOf(t, jsonOf(t, twin))); got != want {
			t.Errorf("the row is  %s\nthe twin is %s", got, want)
		}
	}
}

// TestTwinRowIsEncodedLikeATwin checks that a row of SELECT * has the same members, order
// and escapes as the encoded twin.
func TestTwinRowIsEncodedLikeATwin(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	empty := section{text: "{}", metadata: "{}", version: 1}
	plain := twinRow{tags: "{}", desired: empty, reported: empty, Twin: iothub.Twin{
		DeviceID: "door-1", ETag: "AAAAAAAAAAE=", DeviceETag: "MTIz", Status: iothub.Enabled, ConnectionState: iothub.Disconnected,
		AuthenticationType: "sas", Version: 2,
	}}

	full := plain
	full.StatusReason = text("<Tür> & \"\\\"\u2028\x7f\t")
	full.StatusUpdateTime = time.Date(2026, 11, 24, 8, 0, 0, 120_000, time.UTC)
	full.LastActivityTime = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	full.X509Thumbprint = iothub.X509Thumbprint{PrimaryThumbprint: text("AB"), SecondaryThumbprint: text("CD")}
	full.ModelID, full.Capabilities.IotEdge, full.Version = "dtmi:a;1", true, 1<<40
	full.tags, full.reported.version = `{"floor":3}`, 99

	for _, row := range []twinRow{plain, full} {
		twin, err := row.twin()
		if err != nil {
			t.Fatal(err)
		}
		if want, err := json.Marshal(twin); err != nil || string(row.json()) != string(want) {
			t.Errorf("the row is  %s\nthe twin is %s (%v)", row.json(), want, err)
		}
	}
}

func TestQueryDeviceJobs(t *testing.T) {
	t.Parallel()
	s := site(t)
	rows, _, err := s.QueryDeviceJobs(t.Context(), parse(t, "SELECT * FROM devices.jobs"), 0, "")
	const created = `"createdDateTimeUtc":"2026-11-23T22:38:00.123456Z"`
	want := []string{
		`{"deviceId":"door-1","jobId":"lock","jobType":"scheduleDeviceMethod","status":"completed","startTimeUtc":"2026-11-23T22:38:01.123456Z","endTimeUtc":"2026-11-23T22:38:01.623456Z",` +
			created + `,"lastUpdatedDateTimeUtc":"2026-11-23T22:38:01.623456Z","outcome":{"deviceMethodResponse":{"status":500,"payload":{"error":{"code":"jammed"}}}}}`,
		`{"deviceId":"door-2","jobId":"lock","jobType":"scheduleDeviceMethod","status":"failed","startTimeUtc":"2026-11-23T22:38:00.123456Z","endTimeUtc":"2026-11-23T22:38:00.123456Z",` +
			created + `,"lastUpdatedDateTimeUtc":"2026-11-23T22:38:00.123456Z","error":{"code":"DeviceNotOnline","description":"not there"}}`,
		`{"deviceId":"door-3","jobId":"lock","jobType":"scheduleDeviceMethod","status":"pending",` + created + `,"lastUpdatedDateTimeUtc":"2026-11-23T22:38:00.123456Z"}`,
		`{"deviceId":"door-1","jobId":"twin","jobType":"scheduleUpdateTwin","status":"completed","startTimeUtc":"2026-11-23T22:38:00.123456Z","endTimeUtc":"2026-11-23T22:38:00.123456Z",` +
			created + `,"lastUpdatedDateTimeUtc":"2026-11-23T22:38:00.123456Z","outcome":{"deviceMethodResponse":null}}`,
	}
	if got := texts(rows); err != nil || !slices.Equal(got, want) {
		t.Errorf("the rows are\n%s\nwant\n%s\n(%v)", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
	}

	for _, c := range []struct {
		where string
		want  []int // indexes in the list of rows above
	}{
		{"devices.jobs.jobId = 'lock'", []int{0, 1, 2}},
		{"devices.jobs.deviceId = 'door-1' AND devices.jobs.jobType = 'scheduleUpdateTwin'", []int{3}},
		{"status IN ['failed', 'pending']", []int{1, 2}},
		{"devices.jobs.outcome.deviceMethodResponse.status >= 300", []int{0}},
		{"outcome.deviceMethodResponse.payload.error.code = 'jammed'", []int{0}},
		{"error.code = 'DeviceNotOnline'", []int{1}},
		{"NOT IS_DEFINED(devices.jobs.startTimeUtc)", []int{2}},
		{"devices.jobs.createdTimeUtc > '2026-09-01' AND devices.jobs.endTimeUtc > '2026-11-23T22:38:01Z'", []int{0}},
		{"tags.floor = 3", nil},
	} {
		rows, _, err := s.QueryDeviceJobs(t.Context(), parse(t, "SELECT * FROM devices.jobs WHERE "+c.where), 0, "")
		var wanted []string
		for _, i := range c.want {
			wanted = append(wanted, want[i])
		}
		if got := texts(rows); err != nil || !slices.Equal(got, wanted) {
			t.Errorf("%s: the rows are %s (%v), want %v", c.where, got, err, c.want)
		}
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	s := site(t)
	for _, c := range []struct {
		text  string
		total int
		page  func(q *query.Query, limit int, token string) ([]json.RawMessage, string, error)
	}{
		{"SELECT * FROM devices", 3, func(q *query.Query, limit int, token string) ([]json.RawMessage, string, error) {
			return s.QueryTwins(t.Context(), q, limit, token)
		}},
		{"SELECT deviceId FROM devices WHERE deviceId > 'door-1'", 2, func(q *query.Query, limit int, token string) ([]json.RawMessage, string, error) {
			return s.QueryTwins(t.Context(), q, limit, token)
		}},
		{"SELECT * FROM devices.jobs", 4, func(q *query.Query, limit int, token string) ([]json.RawMessage, string, error) {
			return s.QueryDeviceJobs(t.Context(), q, limit, token)
		}},
	} {
		q := parse(t, c.text)
		all, _, err := c.page(q, 0, "")
		if err != nil || len(all) != c.total {
			t.Fatalf("%s: %d rows (%v)", c.text, len(all), err)
		}

		for limit := 1; limit <= c.total; limit++ {
			var got []json.RawMessage
			token := ""
			for {
				rows, next, err := c.page(q, limit, token)
				if err != nil || len(rows) > limit {
					t.Fatalf("%s: the page has %d rows (%v), want at most %d", c.text, len(rows), err, limit)
				}
				got = append(got, rows...)
				if token = next; token == "" {
					break
				}
			}
			if !slices.Equal(texts(got), texts(all)) {
				t.Errorf("%s: pages of %d rows return %s", c.text, limit, texts(got))
			}
		}

		_, token, err := c.page(q, 1, "")
		if err != nil {
			t.Fatal(err)
		}
		for name, bad := range map[string]string{"cut short": token[:len(token)-4], "another character": "A" + token[1:], "invalid base64": "?", "no key": "AAAA"} {
			if bad == token {
				bad = "B" + token[1:]
			}
			_, _, err := c.page(q, 1, bad)
			if err == nil {
				t.Errorf("%s: a token with %s was accepted", c.text, name)
			}
			wantCode(t, err, iothub.CodeArgumentInvalid)
		}
	}
}

func TestContinuationOfAnotherQueryIsRefused(t *testing.T) {
	t.Parallel()
	s := site(t)
	_, token, err := s.QueryTwins(t.Context(), parse(t, "SELECT * FROM devices"), 1, "")
	if err != nil || token == "" {
		t.Fatalf("the token is %q (%v)", token, err)
	}
	for _, other := range []string{"SELECT * FROM devices WHERE deviceId > ''", "SELECT deviceId FROM devices", "select * from devices"} {
		_, _, err = s.QueryTwins(t.Context(), parse(t, other), 1, token)
		wantCode(t, err, iothub.CodeArgumentInvalid)
	}

	_, _, err = s.QueryDeviceJobs(t.Context(), parse(t, "SELECT * FROM devices"), 1, "")
	wantCode(t, err, iothub.CodeArgumentInvalid)
	_, _, err = s.QueryTwins(t.Context(), parse(t, "SELECT * FROM devices.jobs"), 1, "")
	wantCode(t, err, iothub.CodeArgumentInvalid)
}

// TestPageIsBoundedInBytes checks that a page of large rows ends before it has maxRows
// rows.
func TestPageIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	large := make(iothub.Object)
	for i := range 7 {
		large[fmt.Sprint("text", i)] = strings.Repeat("x", maxString)
	}
	const n = 2*maxBytes/(7*maxString) + 2
	each(t, n, func(i int) error {
		id := fmt.Sprintf("door-%03d", i)
		if _, err := s.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: id}); err != nil {
			return err
		}
		_, err := s.Report(t.Context(), id, large, 0)
		return err
	})

	q := parse(t, "SELECT * FROM devices")
	pages, total := 0, 0
	token := ""
	for {
		rows, next, err := s.QueryTwins(t.Context(), q, 0, token)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		total += len(rows)
		if token = next; token == "" {
			break
		}
	}
	if pages != 3 || total != n {
		t.Errorf("the query returns %d rows in %d pages, want %d in 3", total, pages, n)
	}
}

func TestSelectDevices(t *testing.T) {
	t.Parallel()
	s := site(t)
	for _, c := range []struct {
		condition string
		want      []string
	}{
		{"*", []string{"door-1", "door-2", "door-3"}},
		{"tags.floor = 3", []string{"door-1"}},
		{"deviceId IN ['door-3', 'door-1', 'other']", []string{"door-1", "door-3"}},
		{"tags.floor = 'x\\' OR 1=1 --'", nil},
	} {
		condition, err := query.ParseCondition(c.condition)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.SelectDevices(t.Context(), condition)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s selects %v (%v), want %v", c.condition, got, err, c.want)
		}
	}
}

// TestIndexesAreUsed checks that SQLite uses an index for conditions on the device id
// and the connection state.
func TestIndexesAreUsed(t *testing.T) {
	t.Parallel()
	s := site(t)
	for _, c := range []struct{ where, want string }{
		{"deviceId = 'door-1'", "(id=?)"},
		{"deviceId IN ['door-1', 'door-2']", "(id=?)"},
		{"deviceId >= 'door-1' AND tags.floor = 3", "(id>?)"},
		{"connectionState = 'Connected' AND tags.floor = 3", "devices_connection (connection_state=?)"},
	} {
		statement, args, _ := twinsStatement(parse(t, "SELECT * FROM devices WHERE "+c.where), pageStart{}, 100)
		rows, err := s.DB().Query(`EXPLAIN QUERY PLAN `+statement, args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var detail string
			if err := rows.Scan(new(int), new(int), new(int), &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		rows.Close()
		if got := strings.Join(plan, "\n"); !strings.Contains(got, c.want) {
			t.Errorf("%s: the plan is\n%s\nwithout %s", c.where, got, c.want)
		}
	}
}

// TestQueryTwinsTopAndGroupsInPages checks that TOP limits the total number of rows on
// all pages. It also checks that the rows of groups are divided into pages.
func TestQueryTwinsTopAndGroupsInPages(t *testing.T) {
	t.Parallel()
	s := site(t)
	for _, c := range []struct {
		text string
		size int
		want string // expected pages, separated by spaces
	}{
		{"SELECT TOP 3 deviceId AS d FROM devices", 2, `[{"d":"door-1"} {"d":"door-2"}] [{"d":"door-3"}]`},
		{"SELECT TOP 2 deviceId AS d FROM devices", 2, `[{"d":"door-1"} {"d":"door-2"}]`},
		{"SELECT TOP 2 deviceId AS d FROM devices", 1, `[{"d":"door-1"}] [{"d":"door-2"}]`},
		{"SELECT TOP 9 deviceId AS d FROM devices", 3, `[{"d":"door-1"} {"d":"door-2"} {"d":"door-3"}]`},
		{"SELECT deviceId AS d FROM devices GROUP BY deviceId", 2, `[{"d":"door-1"} {"d":"door-2"}] [{"d":"door-3"}]`},
		{"SELECT TOP 2 deviceId AS d FROM devices GROUP BY deviceId", 1, `[{"d":"door-1"}] [{"d":"door-2"}]`},
		{"SELECT COUNT() AS n FROM devices", 1, `[{"n":3}]`},
	} {
		var pages []string
		for next := "start"; next != ""; {
			var rows []json.RawMessage
			var err error
			rows, next, err = s.QueryTwins(t.Context(), parse(t, c.text), c.size, strings.TrimPrefix(next, "start"))
			if err != nil {
				t.Fatalf("%s: %v", c.text, err)
			}
			pages = append(pages, fmt.Sprint(texts(rows)))
		}
		if got := strings.Join(pages, " "); got != c.want {
			t.Errorf("%s in pages of %d rows\nreturns %s\nwant    %s", c.text, c.size, got, c.want)
		}
	}
}
