// Package man holds the manual pages latchd(8), latchd.toml(5), latchhub(8) and
// latchsim(1). The pages of latchctl are not in this folder. The package build
// generates them from latchctl's commands; see cmd/latchctl/man.go.
//
// The tests guarantee:
//   - Each page in this folder names all commands and flags of its program, and no
//     others. The tests of agent/config check the table of keys in latchd.toml(5).
//   - man renders every page without a warning, including the generated pages.
package man
