package query

// The collections that can stand after FROM.
const (
	Devices    = "devices"
	DeviceJobs = "devices.jobs"
)

// Query is a parsed SELECT statement.
type Query struct {
	Text       string   // the text that Parse was given
	Collection string   // Devices or DeviceJobs
	Top        int      // at most so many rows; 0: all
	Columns    []Column // what is selected, in order; none means *
	Where      *Condition
	GroupBy    []*Path // the properties whose values make a group
}

// Star reports whether the query selects whole documents: SELECT *.
func (q *Query) Star() bool { return len(q.Columns) == 0 }

// Aggregates reports whether the query's rows are of groups of documents, or of
// all of them, instead of one document each.
func (q *Query) Aggregates() bool {
	if len(q.GroupBy) > 0 {
		return true
	}
	for _, c := range q.Columns {
		if _, ok := c.Expr.(*Aggregate); ok {
			return true
		}
	}
	return false
}

// Column is one projection: a value, and the member's name in the row.
type Column struct {
	Expr Expr
	Name string
}

// Condition is what stands after WHERE. A nil *Condition selects everything.
type Condition struct {
	Root Expr
}

// Expr is a node of the tree. Pos is the offset of its first byte in the text;
// of an operator with two sides, the offset of the operator.
type Expr interface {
	Position() int
}

// Literal is a constant: a string, a float64, a bool, nil for null, or
// Undefined.
type Literal struct {
	Pos   int
	Value any
}

// Undefined is the value of the constant undefined.
type Undefined struct{}

// Path is a property's path in the document, without the name of the collection.
type Path struct {
	Pos   int
	Names []string
}

// Not is the negation of a condition.
type Not struct {
	Pos int
	X   Expr
}

// Logic joins two or more conditions by AND or OR.
type Logic struct {
	Pos   int
	Op    string // "AND" or "OR"
	Terms []Expr
}

// Compare compares two values.
type Compare struct {
	Pos         int
	Op          string // = != < <= > >=
	Left, Right Expr
}

// In asks whether a value is one of a list of constants; Not turns it round.
type In struct {
	Pos  int
	X    Expr
	Not  bool
	List []*Literal
}

// Call is a function call. Name is in upper case, as the documentation has it.
type Call struct {
	Pos  int
	Name string
	Args []Expr
}

// Aggregate is an aggregate over a group of documents; it stands in a projection
// only. X is nil for COUNT(), which counts documents; SUM, AVG, MIN and MAX take
// the property's values that are numbers.
type Aggregate struct {
	Pos  int
	Name string
	X    *Path
}

// Position returns where the node stands in the text.
func (e *Literal) Position() int { return e.Pos }

// Position returns where the node stands in the text.
func (e *Path) Position() int { return e.Pos }

// Position returns where the node stands in the text.
func (e *Not) Position() int { return e.Pos }

// Position returns where the operator stands in the text.
func (e *Logic) Position() int { return e.Pos }

// Position returns where the operator stands in the text.
func (e *Compare) Position() int { return e.Pos }

// Position returns where the operator stands in the text.
func (e *In) Position() int { return e.Pos }

// Position returns where the node stands in the text.
func (e *Call) Position() int { return e.Pos }

// Position returns where the node stands in the text.
func (e *Aggregate) Position() int { return e.Pos }
