package simulation

import (
	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/agent"
)

// bugs are parts that a run breaks on purpose.
type bugs struct {
	breakLock  func(agent.Lock) agent.Lock
	breakLink  func(agent.Link) agent.Link
	breakSaver func(actuator.Saver) actuator.Saver
	atEnd      func()
}

func (b bugs) lock(l agent.Lock) agent.Lock {
	if b.breakLock == nil {
		return l
	}
	return b.breakLock(l)
}

func (b bugs) link(l agent.Link) agent.Link {
	if b.breakLink == nil {
		return l
	}
	return b.breakLink(l)
}

func (b bugs) saver(s actuator.Saver) actuator.Saver {
	if b.breakSaver == nil {
		return s
	}
	return b.breakSaver(s)
}

func (b bugs) end() {
	if b.atEnd != nil {
		b.atEnd()
	}
}
