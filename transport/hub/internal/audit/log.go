package audit

import (
	"net"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/logtext"
)

const (
	Window     = 10 * time.Second // time after which the limits start again
	MaxEntries = 50               // maximum number of entries of a client in a Window
	MaxMerged  = 8                // number of merged entries of a client in a Window after which they lose their details
	MaxClients = 16               // maximum number of clients with entries of their own in a Window
)

// Log writes entries about changes. A nil Log discards them. Its methods may be called
// from any goroutine.
type Log struct {
	log *zap.Logger

	mu      sync.Mutex
	clients map[Client]*window // the clients' addresses are hosts without ports
	timer   *time.Timer        // ends the current window; nil if clients is empty
	closed  bool
}

// window contains the entries of a client since the current window began.
type window struct {
	written int
	merged  []*merged // in the order in which they were added
}

// merged is a set of changes that differ only in their ids, their conditions and their
// clients' addresses.
type merged struct {
	client Client // client of the first change
	change Change
	count  int // number of changes
	size   int // bytes of the ids in change.IDs
	first  time.Time
}

// New returns a Log that writes its entries to log at the level info.
func New(log *zap.Logger) *Log {
	return &Log{log: log, clients: make(map[Client]*window)}
}

// Record records a change that a client has made, or tried to make.
func (l *Log) Record(client Client, change Change) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()

	w := l.window(client)
	if w.written < MaxEntries || l.closed {
		w.written++
		l.log.Info(Message, append(client.fields(), change.fields()...)...)
		return
	}
	w.merge(client, change)
}

// window returns the window of a client. If there are too many clients, the client shares
// a window with others.
func (l *Log) window(client Client) *window {
	if l.timer == nil && !l.closed {
		l.timer = time.AfterFunc(Window, l.endWindow)
	}

	key := client
	if host, _, err := net.SplitHostPort(client.Address); err == nil {
		key.Address = host
	}
	if l.clients[key] == nil && len(l.clients) >= MaxClients {
		key = Client{}
	}
	if l.clients[key] == nil {
		l.clients[key] = new(window)
	}
	return l.clients[key]
}

// merge adds a change to a merged entry. If there are too many of them, it adds the change
// without its details, so that the log still shows what was changed.
func (w *window) merge(client Client, change Change) {
	change.Method = logtext.Cut(change.Method) // do not keep a long text in memory
	m := w.find(client, change)
	if m == nil && len(w.merged) >= MaxMerged {
		change = change.general()
		m = w.find(client, change)
	}

	if m == nil {
		m = &merged{client: client, change: change, first: time.Now()}
		m.change.IDs, m.change.Condition = nil, ""
		w.merged = append(w.merged, m)
	}
	m.count++
	m.addIDs(change.IDs)
}

// find returns the merged entry to which a change belongs, or nil.
func (w *window) find(client Client, c Change) *merged {
	for _, m := range w.merged {
		if m.client.Policy == client.Policy && m.change.Action == c.Action && m.change.Kind == c.Kind &&
			m.change.Method == c.Method && m.change.Status == c.Status && m.change.Result == c.Result {
			return m
		}
	}
	return nil
}

// addIDs adds ids to the entry. It counts those that do not fit.
func (m *merged) addIDs(ids []string) {
	for _, id := range ids {
		id = logtext.Cut(id)
		switch {
		case slices.Contains(m.change.IDs, id):
		case m.size+len(id) > maxIDs:
			m.change.more++
		default:
			m.size += len(id)
			m.change.IDs = append(m.change.IDs, id)
		}
	}
}

// endWindow writes the merged entries and starts the limits again.
func (l *Log) endWindow() {
	l.mu.Lock()
	defer l.mu.Unlock()

	for _, w := range l.clients {
		for _, m := range w.merged {
			l.log.Info(Message, m.fields()...)
		}
	}
	clear(l.clients)
	l.timer = nil
}

// fields returns the fields of the entry: those of a single change, the number of changes
// and the time of the first of them.
func (m *merged) fields() []zap.Field {
	fields := append(m.client.fields(), zap.Int("changes", m.count), zap.Time("since", m.first))
	return append(fields, m.change.fields()...)
}

func (c Client) fields() []zap.Field {
	return []zap.Field{zap.String("policy", logtext.Cut(c.Policy)), zap.String(logtext.Address, logtext.Cut(c.Address))}
}

// Close writes the merged entries. Later changes get entries of their own.
func (l *Log) Close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	if l.timer != nil {
		l.timer.Stop()
	}
	l.closed = true
	l.mu.Unlock()

	l.endWindow()
}
