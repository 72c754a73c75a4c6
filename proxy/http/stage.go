package http

// A stage is where in an exchange a driver goes on that has left it for a while.
type stage uint8

const (
	toServe   stage = iota // the head is not read
	toWait                 // everybody who could be asked is taken
	toConnect              // an endpoint is chosen, and has no idle connection
	toSend                 // there is a connection
	toGoOn                 // a part of the request was sent
	toReceive              // the request was sent
	toLook                 // and something has happened but to the endpoint
	toReply                // a part of a whole response was sent
	toFinish               // it is over
	toPart                 // and settled, but for the client's connection
)
