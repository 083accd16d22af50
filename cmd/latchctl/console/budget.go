package console

import (
	"sync"
	"time"
)

const (
	// rowsPerQuery is the number of rows that the hub returns for one query of its quota.
	rowsPerQuery = 1000
	// timePerQuery spaces the queries: ten a minute, which is half of the quota of one
	// S1 or S2 unit of IoT Hub.
	timePerQuery = 6 * time.Second
	// maxSaved is the number of unused queries that can be saved for later.
	maxSaved = 10
)

// queryBudget limits the console's own queries to an average of ten a minute. Queries
// that the user causes are never delayed, but they use up the budget.
type queryBudget struct {
	mu sync.Mutex
	// emptyAt is the time at which no query was left. One query becomes available every
	// timePerQuery after it. A time in the future means that the budget is overdrawn.
	emptyAt time.Time
}

// queriesFor returns the number of queries that reading so many rows costs.
func queriesFor(rows int) int { return rows/rowsPerQuery + 1 }

// spend subtracts the cost of reading so many rows.
func (b *queryBudget) spend(rows int, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()

	if earliest := now.Add(-maxSaved * timePerQuery); b.emptyAt.Before(earliest) {
		b.emptyAt = earliest
	}
	b.emptyAt = b.emptyAt.Add(time.Duration(queriesFor(rows)) * timePerQuery)
}

// wait returns the time until the next query is available.
func (b *queryBudget) wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()

	return max(0, b.emptyAt.Sub(now)+timePerQuery)
}
