// Package man holds the manual pages that are kept as files: latchd(8),
// latchd.toml(5), latchhub(8) and latchsim(1). The pages of latchctl are not here.
// The package build generates them from latchctl's commands; see cmd/latchctl/man.go.
//
// The tests guarantee:
//   - Each page in this folder names all commands and flags of its program, and no
//     others. The table of keys in latchd.toml(5) is checked in agent/config.
//   - man renders every page, including the generated ones, without a warning.
package man
