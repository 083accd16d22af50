package console

import (
	"sync"
	"time"
)

const (
	// pageRows is how many rows the hub gives at once: one query of its quota.
	pageRows = 1000
	// perPage is the time that one query stands for: ten a minute, half of what
	// IoT Hub grants a unit of its tiers S1 and S2.
	perPage = 6 * time.Second
	// saved is how many queries can be saved up for when they are needed.
	saved = 10
)

// pace says how long to wait before the next query, so that they are ten a minute
// on the average. What a person asks for is never held back, and counts.
type pace struct {
	mu   sync.Mutex
	free time.Time // since when queries have been saved up; later than now: none is
}

// pages is how many queries a number of rows takes.
func pages(rows int) int { return rows/pageRows + 1 }

// spend counts the queries that a number of rows has taken.
func (p *pace) spend(rows int, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if least := now.Add(-saved * perPage); p.free.Before(least) {
		p.free = least
	}
	p.free = p.free.Add(time.Duration(pages(rows)) * perPage)
}

// wait is the time until there is a query to spend.
func (p *pace) wait(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, p.free.Sub(now)+perPage)
}
