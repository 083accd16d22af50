package main

import (
	"slices"
	"sync"

	"go.uber.org/zap"
)

// The subjects of problems, in the order in which 'latchd status' shows them.
const (
	problemConfig = "configuration"
	problemState  = "state"
	problemHub    = "hub"
)

// problems are the present faults outside the lock that need a technician. The agent
// serves the lock in spite of them.
type problems struct {
	log *zap.Logger

	mu    sync.Mutex
	texts map[string][]string // by subject
}

func newProblems(log *zap.Logger) *problems {
	return &problems{log: log, texts: make(map[string][]string)}
}

// set replaces the problems of a subject. It logs each problem once, and when all are
// gone.
func (p *problems) set(subject string, errs ...error) {
	var texts []string
	for _, err := range errs {
		if err != nil {
			texts = append(texts, err.Error())
		}
	}

	p.mu.Lock()
	before := p.texts[subject]
	p.texts[subject] = texts
	p.mu.Unlock()

	for _, text := range texts {
		if !slices.Contains(before, text) {
			p.log.Error("the lock works, but there is a problem", zap.String("subject", subject), zap.String("problem", text))
		}
	}
	if len(before) > 0 && len(texts) == 0 {
		p.log.Info("a problem has been solved", zap.String("subject", subject))
	}
}

// all returns the texts of all problems.
func (p *problems) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Concat(p.texts[problemConfig], p.texts[problemState], p.texts[problemHub])
}
