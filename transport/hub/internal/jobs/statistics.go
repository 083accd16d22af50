package jobs

import (
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// statisticsCache caches the statistics of jobs. Any goroutine may read it, but only the
// engine's goroutine may change it.
type statisticsCache struct {
	mu   sync.Mutex
	jobs map[string]iothub.JobStatistics
}

func (c *statisticsCache) set(id string, statistics iothub.JobStatistics) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.jobs == nil {
		c.jobs = make(map[string]iothub.JobStatistics)
	}
	c.jobs[id] = statistics
}

func (c *statisticsCache) get(id string) (iothub.JobStatistics, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	statistics, ok := c.jobs[id]
	return statistics, ok
}

func (c *statisticsCache) remove(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.jobs, id)
}
