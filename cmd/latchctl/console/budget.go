package console

import (
	"sync"
	"time"
)

const (
	// rowsPerQuery is the number of result rows that a hub's quota counts as one query.
	rowsPerQuery = 1000
	// timePerQuery is the average time between two queries. It allows ten queries a
	// minute, which is half of the quota of one S1 or S2 unit of IoT Hub.
	timePerQuery = 6 * time.Second
	// maxSaved is the maximum number of unused queries that the console saves for later.
	maxSaved = 10
)

// queryBudget limits the queries that the console makes on its own to an average of ten
// a minute. A query that the user causes is never delayed, but it counts against the
// budget.
type queryBudget struct {
	mu sync.Mutex
	// emptyAt is the time at which the budget was last empty. It is in the future if
	// the console has made more queries than the budget allows. One query becomes
	// available every timePerQuery.
	emptyAt time.Time
}

// queriesFor returns the number of queries that a read of the given number of rows
// costs.
func queriesFor(rows int) int { return rows/rowsPerQuery + 1 }

// spend subtracts the cost of a read from the budget; rows is the number of rows read.
func (b *queryBudget) spend(rows int, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()

	if earliest := now.Add(-maxSaved * timePerQuery); b.emptyAt.Before(earliest) {
		b.emptyAt = earliest
	}
	b.emptyAt = b.emptyAt.Add(time.Duration(queriesFor(rows)) * timePerQuery)
}

// wait returns the time until the budget allows the next query.
func (b *queryBudget) wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()

	return max(0, b.emptyAt.Sub(now)+timePerQuery)
}
