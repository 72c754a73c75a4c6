package testkit

import "flag"

// SetUnderRace sets a flag of the test's program under the race detector, such as
// how often a property is checked. It is for TestMain: what the command line says
// of the flag counts more.
func SetUnderRace(name, value string) {
	if !UnderRace {
		return
	}
	if err := flag.Set(name, value); err != nil {
		panic("testkit: " + err.Error())
	}
}
