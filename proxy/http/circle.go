package http

// maxHops is through how many Spillways a request may have come: more tiers of them
// than anybody has. One that has come through so many goes in circles, from a service
// to an endpoint that is a listener in front of that service, and would until
// descriptors run out.
const maxHops = 10

// circles counts a request that is not to go round once more.
func (x *exchange) circles() *failure {
	x.svc.Stats.Loops.Add(1)
	x.noteRefused("request goes in circles", circling)
	return circling
}
