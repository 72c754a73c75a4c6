//go:build !race

package soak_test

// maxResidentGrowth beside the heap's is stacks, code and tables of the runtime's.
const maxResidentGrowth = 96 << 20
