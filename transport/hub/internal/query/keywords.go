package query

import "strings"

// isKeyword reports whether a word is part of the language's syntax, such as GROUP. A
// name that looks like a keyword must be in double brackets.
func isKeyword(word string) bool {
	switch strings.ToUpper(word) {
	case "SELECT", "TOP", "ALL", "AS", "FROM", "WHERE", "GROUP", "BY", "ORDER", "ASC", "DESC",
		"AND", "OR", "NOT", "IN", "NIN", "TRUE", "FALSE", "NULL", "UNDEFINED":
		return true
	}
	return false
}

// isReserved reports whether a property with this name must be in double brackets. IoT
// Hub refuses tags.group and accepts tags.[[group]] (issue 17106 of
// MicrosoftDocs/azure-docs), but does not document the other keywords. The list is that
// of Azure Digital Twins, whose query language has the same grammar ("Azure Digital Twins
// query language reference: Reserved keywords").
func isReserved(word string) bool {
	switch strings.ToUpper(word) {
	case "DEVICES", "COUNT", "SUM", "AVG", "MIN", "MAX", "IS_BOOL", "IS_DEFINED", "IS_NULL", "IS_NUMBER", "IS_OBJECT",
		"IS_PRIMITIVE", "IS_STRING", "STARTS_WITH", "ENDS_WITH":
		return true
	}
	return isKeyword(word)
}
