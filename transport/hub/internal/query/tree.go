package query

// The collections that can follow FROM in a query.
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
	GroupBy    []*Path // documents with equal values of these properties form a group
}

// Star reports whether the query is a SELECT *, which returns whole documents.
func (q *Query) Star() bool { return len(q.Columns) == 0 }

// Aggregates reports whether each row of the result represents a group of documents, not
// a single document. Without GROUP BY, all documents form one group.
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

// Column is a selected column. Expr is a *Path or an *Aggregate. Name is the column's
// name in the resulting JSON object.
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

// Pos is the byte offset, from 0, of a node in the query's text. For an operator between
// two operands, it is the offset of the operator.
type Pos int

// Position returns the byte offset of the node in the query's text.
func (p Pos) Position() int { return int(p) }

// Literal is a constant in a query. Value is a string, a float64, a bool, nil for null,
// or Undefined{} for undefined.
type Literal struct {
	Pos
	Value any
}

// Undefined represents the constant undefined in a query.
type Undefined struct{}

// Path is the path of a property in a document, without the name of the collection.
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

// Arithmetic is an arithmetic operation on two numbers. Its value is undefined if an
// operand is not a number, and after a division by zero.
type Arithmetic struct {
	Pos
	Op          string // + - * / %
	Left, Right Expr
}

// Sign is a sign before a number. Its value is undefined if the operand is not a number.
type Sign struct {
	Pos
	Op string // + -
	X  Expr
}

// In tests whether a list of constants contains a value. If Not is set, it tests whether
// the list does not contain the value.
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

// Aggregate is a selected column that computes one value from a group of documents.
// COUNT() counts the documents; its X is nil. SUM, AVG, MIN and MAX use those values of
// the property X that are numbers.
type Aggregate struct {
	Pos
	Name string
	X    *Path
}
