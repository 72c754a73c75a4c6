//go:build faults

package http_test

// faulty says that system calls come out badly on purpose: then a promise that
// depends on what comes in one piece, or on splice(2), cannot be asked for.
const faulty = true
