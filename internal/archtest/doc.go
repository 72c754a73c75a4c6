// Package archtest keeps the shape of the house: tests that read this module's
// source and say, with the reason, where it has left the plan. There is nothing
// in it to import.
//
//	imports_test.go    which package may import which, and why not the others
//	packages_test.go   every package has a tour and, for users, an example
//	words_test.go      one word per thing: exported names keep to the glossary
//	links_test.go      files and headings that the documents speak of are there
//	quoted_test.go     code and files quoted in the documents are the tested ones
//
// The table of imports is written here once, in table_test.go. The one in
// docs/architecture.md is made from it:
//
//	go test ./internal/archtest -update
//
// Files are parsed, not built, so those for other systems count too.
package archtest
