// Package doctor says what is wrong with a proxy's live traffic, why, and what to
// do about it.
//
//	admin API, several times ──┐
//	the file ──────────────────┼──► Facts ──► Judge ──► Report: findings and notes
//	probes of endpoints ───────┘    data      pure
//
// Gather is the shell: it asks the running proxy a few times over a window, and
// makes real connections to endpoints that are healthy by their checks. Judge is
// pure, a list of checks each of which looks at the same Facts, so what it says can
// be tested with a table.
//
// A finding is something to be mended; a note is what may look wrong and is not, or
// what could not be judged. The checks are strict about the difference: a healthy
// proxy has no finding, however often one looks. Where traffic is uneven that takes
// a test of significance and an effect worth speaking of, on what may be expected
// of so many flows, and of so many affinity keys.
package doctor
