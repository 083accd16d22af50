package query

// The collections that a query can name after FROM.
const (
	Devices    = "devices"
	DeviceJobs = "devices.jobs"
)

// Query is a parsed SELECT statement.
type Query struct {
	Text       string   // the text of the query
	Collection string   // Devices or DeviceJobs
	Top        int      // maximum number of rows; 0 means no limit
	Columns    []Column // the selected columns, in order; empty for SELECT *
	Where      *Condition
	GroupBy    []*Path // documents with equal values of these properties form one group
}

// Star reports whether the query selects whole documents: SELECT *.
func (q *Query) Star() bool { return len(q.Columns) == 0 }

// Aggregates reports whether a row of the result represents several documents: those of
// a group, or all documents.
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

// Column is one selected column: a *Path or an *Aggregate, and the column's name in the
// resulting JSON object.
type Column struct {
	Expr Expr
	Name string
}

// Condition is the condition after WHERE. A nil *Condition is true for every document.
type Condition struct {
	Root Expr
}

// Expr is a node of a query's syntax tree.
type Expr interface {
	Position() int
}

// Pos is the byte offset of a node in the query's text, from 0. For a node with an
// operator between two operands, Pos is the operator's offset.
type Pos int

// Position returns the byte offset of the node in the query's text.
func (p Pos) Position() int { return int(p) }

// Literal is a constant in a query. Value is a string, a float64, a bool, nil for null,
// or Undefined{}.
type Literal struct {
	Pos
	Value any
}

// Undefined is the value of the constant undefined in a query.
type Undefined struct{}

// Path is the path of a property in a document. It does not contain the name of the
// collection.
type Path struct {
	Pos
	Names []string
}

// Not negates a condition.
type Not struct {
	Pos
	X Expr
}

// Logic joins two or more conditions with AND or with OR.
type Logic struct {
	Pos
	Op    string // "AND" or "OR"
	Terms []Expr
}

// Compare is a comparison of two values.
type Compare struct {
	Pos
	Op          string // = != < <= > >=
	Left, Right Expr
}

// In tests whether a value is in a list of constants. If Not is set, it tests whether
// the value is absent from the list.
type In struct {
	Pos
	X    Expr
	Not  bool
	List []*Literal
}

// Call is a function call. Name is in upper case.
type Call struct {
	Pos
	Name string
	Args []Expr
}

// Aggregate computes one value from a group of documents. It can only be used as a
// column. COUNT() counts the documents, and its X is nil. SUM, AVG, MIN and MAX use the
// values of X that are numbers.
type Aggregate struct {
	Pos
	Name string
	X    *Path
}
