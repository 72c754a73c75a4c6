package http_test

import (
	"testing"

	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

// A driver moves the bytes of HTTP/1.1. Whichever it is, HTTP means the same.
type driver struct {
	name string
	// choose makes o the options of an engine with this driver. What the driver
	// needs beside the engine ends with the test.
	choose func(t *testing.T, o *proxyhttp.Options)
	// pools is how many connections to one endpoint are enough for requests that
	// come one after the other.
	pools int64
	// tls says that clients speak TLS.
	tls bool
	// toTLS says that endpoints do.
	toTLS bool
}

func noLoops(*testing.T, *proxyhttp.Options) {}

var drivers = []driver{
	{name: "stream", choose: noLoops, pools: 1},
}

// toTLS keeps the same promises as stream, except for the price.
var toTLS = driver{name: "stream to TLS", choose: noLoops, pools: 1, toTLS: true}

// A promise is what users of the proxy may rely on, and the test of it.
type promise struct {
	name string
	kept func(*testing.T, driver)
}

// TestConformance asks every driver to keep every promise. Of one promise:
//
//	go test ./proxy/http -run 'Conformance//pipelined'
//	go test ./proxy/http -run 'Conformance/stream/^late_bytes_poison_nobody$'
func TestConformance(t *testing.T) {
	conforms := func(t *testing.T, d driver) {
		oneByOne(t, d, promisesAlone)
		sideBySide(t, d, promises)
	}
	eachDriver(t, conforms)
	t.Run(toTLS.name, func(t *testing.T) { conforms(t, toTLS) })
	t.Parallel()
}

func oneByOne(t *testing.T, d driver, promises []promise) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			d.mayKeep(t, p)
			p.kept(t, d)
		})
	}
}

// sideBySide is for tests that wait more than they work. They begin when all that
// must be alone is over, those of every driver at once: so they wait only once. A
// test of nothing else calls t.Parallel first; one that has run others alone, last.
func sideBySide(t *testing.T, d driver, promises []promise) {
	t.Parallel()
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			d.mayKeep(t, p)
			p.kept(t, d)
		})
	}
}

func eachDriver(t *testing.T, f func(*testing.T, driver)) {
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) { f(t, d) })
	}
}

// promises is what every driver keeps on every system. Those that need Linux, or
// to be alone in the process, are with their tests.
var promises = []promise{
	// Messages pass through.
	{"a request reaches the endpoint and its response the client", requestReachesEndpointAndResponseClient},
	{"responses without a body do not hang", responsesWithoutBodyDoNotHang},
	{"a body that must not be is no response", bodyThatMustNotBeIsNoResponse},
	{"chunks pass as they were cut", chunksPassAsTheyWereCut},
	{"trailers pass both ways", trailersPassBothWays},
	{"an old client gets no chunks", oldClientGetsNoChunks},
	{"an old client may keep its connection", oldClientMayKeepItsConnection},
	{"an old endpoint's response is of our version", oldEndpointsResponseIsOfOurVersion},
	{"a body until close ends in words", bodyUntilCloseEndsInWords},
	{"messages may come byte by byte", messagesMayComeByteByByte},
	{"heads go ahead of their bodies", headsGoAheadOfTheirBodies},
	{"bodies are streamed, not collected", bodiesAreStreamedNotCollected},

	// Heads say what they said.
	{"fields keep order, case and number", fieldsKeepOrderCaseAndNumber},
	{"nothing is invented", nothingIsInvented},
	{"targets pass byte for byte", targetsPassByteForByte},
	{"an absolute-form becomes an origin-form", absoluteFormBecomesOriginForm},
	{"an old request without Host gets one", oldRequestWithoutHostGetsOne},
	{"hop-by-hop fields end here", hopByHopFieldsEndHere},
	{"Connection removes nothing essential", connectionRemovesNothingEssential},
	{"forwarding fields are one line and ours", forwardingFieldsAreOneLineAndOurs},
	{"a trusted proxy says what was asked of it", trustedProxySaysWhatWasAskedOfIt},
	{"routes see through spellings", routesSeeThroughSpellings},
	{"upgrades that are none go on as requests", upgradesThatAreNoneGoOnAsRequests},
	{"load reports are taken out of responses", loadReportsAreTakenOutOfResponses},
	{"load reports of failed tries count", loadReportsOfFailedTriesCount},
	{"bad load reports are counted and removed", badLoadReportsAreCountedAndRemoved},
	{"load reports that nobody reads are removed, or pass", loadReportsThatNobodyReadsAreRemovedOrPass},

	// Answers that come early, or in several parts.
	{"interim responses are relayed", interimResponsesAreRelayed},
	{"a client that knows no interim responses gets none", clientThatKnowsNoInterimResponsesGetsNone},
	{"nothing follows half an interim response", nothingFollowsHalfAnInterimResponse},
	{"100 Continue is the endpoint's to say", continueIsTheEndpointsToSay},
	{"an expectation may be disappointed", expectationMayBeDisappointed},
	{"a refused expectation ends the upload", refusedExpectationEndsTheUpload},
	{"an answer to a body not sent ends the connection in words", answerToABodyNotSentEndsTheConnectionInWords},
	{"a connection that is not kept is said to end", connectionThatIsNotKeptIsSaidToEnd},
	{"a body that was read costs no connection", bodyThatWasReadCostsNoConnection},
	{"an early answer reaches a client that still sends", earlyAnswerReachesAClientThatStillSends},
	{"a body that nobody wanted is no request", bodyThatNobodyWantedIsNoRequest},

	// What is ambiguous or too large is refused.
	{"requests that are refused reach nobody", requestsThatAreRefusedReachNobody},
	{"heads at the limits pass", headsAtTheLimitsPass},
	{"a request that has come through ten Spillways is 508", requestThroughTenSpillwaysIs508},
	{"a request that goes in circles ends", requestThatGoesInCirclesEnds},
	{"bad bodies are 400 and never whole", badBodiesAre400AndNeverWhole},
	{"bodies beyond the limit are 413", bodiesBeyondTheLimitAre413},
	{"a bad chunk after the head went out is still 400", badChunkAfterTheHeadWentOutIsStill400},
	{"bad responses are 502", badResponsesAre502},
	{"a switch to what was not asked for is 502", switchToWhatWasNotAskedForIs502},
	{"bad bodies of responses look cut", badBodiesOfResponsesLookCut},

	// Connections are used again, and no two exchanges mix.
	{"an endpoint's connection is reused", endpointConnectionIsReused},
	{"pipelined requests are answered in order", pipelinedRequestsAreAnsweredInOrder},
	{"a stale connection is replaced for what may be sent twice", staleConnectionIsReplacedForWhatMayBeSentTwice},
	{"a connection closed while idle is not used", connectionClosedWhileIdleIsNotUsed},
	{"bytes behind a response reach nobody", bytesBehindAResponseReachNobody},
	{"late bytes poison nobody", lateBytesPoisonNobody},
	{"bytes of a tunnel are not the next request's", bytesOfATunnelAreNotTheNextRequests},
	{"the last response is followed by an end and not a reset", lastResponseIsFollowedByAnEndAndNotAReset},
	{"a request after the last response resets nothing", requestAfterTheLastResponseResetsNothing},
	{"a cut takes no earlier response with it", cutTakesNoEarlierResponseWithIt},
	{"half a head is not part of the next response", halfAHeadIsNotPartOfTheNextResponse},

	// Addresses.
	{"endpoints may have any kind of address", endpointsMayHaveAnyKindOfAddress},
	{"clients may come by any kind of address", clientsMayComeByAnyKindOfAddress},

	// Endpoints that cannot be had.
	{"a connect failure goes to the next endpoint whatever the method", connectFailureGoesToTheNextEndpointWhateverTheMethod},
	{"a connect failure goes to the next endpoint while the body is still coming", connectFailureGoesToTheNextEndpointWhileTheBodyIsStillComing},
	{"time that is up is not the fault of those who were not asked", timeThatIsUpIsNotTheFaultOfThoseWhoWereNotAsked},
	{"nobody to serve is 503", nobodyToServeIs503},

	// Peers that leave, and time that runs out.
	{"a client that leaves cancels the request and blames nobody", clientThatLeavesCancelsTheRequestAndBlamesNobody},
	{"a cut response looks cut", cutResponseLooksCut},
	{"an endpoint's reset cuts the response", endpointsResetCutsTheResponse},
	{"a cut upload looks cut", cutUploadLooksCut},
	{"an exchange with a doomed endpoint is 504", exchangeWithADoomedEndpointIs504},
	{"a response of a doomed endpoint looks cut", responseOfADoomedEndpointLooksCut},
	{"a response nobody reads is cut with its endpoint", responseNobodyReadsIsCutWithItsEndpoint},
	{"doom of one endpoint leaves the others alone", doomOfOneEndpointLeavesTheOthersAlone},
	{"a tunnel to a doomed endpoint is reset", tunnelToADoomedEndpointIsReset},
	{"a client may reset at any time", clientMayResetAtAnyTime},
	{"an endpoint may reset at any time", endpointMayResetAtAnyTime},
	{"a reset of an idle connection harms nobody", resetOfAnIdleConnectionHarmsNobody},
	{"a client that has said all is answered", clientThatHasSaidAllIsAnswered},
	{"no response in time is 504", noResponseInTimeIs504},
	{"a route's timeout stands in for the service's", routesTimeoutStandsInForTheServices},
	{"a body that does not come is 408", bodyThatDoesNotComeIs408},
	{"a response that stops is cut", responseThatStopsIsCut},
	{"a slow head is 408", slowHeadIs408},
	{"an idle client is closed", idleClientIsClosed},
	{"a head that trickles is 408", headThatTricklesIs408},
	{"a body that trickles is 408", bodyThatTricklesIs408},
	{"a response that trickles is cut", responseThatTricklesIsCut},
	{"a reader that is slow is cut", readerThatIsSlowIsCut},

	// Shutting down.
	{"a drain finishes what is under way", drainFinishesWhatIsUnderWay},
	{"a drain lets every phase come to its end", drainLetsEveryPhaseComeToItsEnd},
	{"a pipelined request is answered though a drain begins", pipelinedRequestIsAnsweredThoughADrainBegins},
	{"a drain hears who has just been answered", drainHearsWhoHasJustBeenAnswered},
	{"an abort cuts everything", abortCutsEverything},
	{"an abort while a request goes out blames nobody", abortWhileARequestGoesOutBlamesNobody},
	{"an endpoint that was removed keeps no connection", endpointThatWasRemovedKeepsNoConnection},

	// What is written down.
	{"the access log has one line for each request", accessLogHasOneLineForEachRequest},
	{"the log of an unfinished head shows its own client", logOfAnUnfinishedHeadShowsItsOwnClient},
	{"times in the access log agree", timesInTheAccessLogAgree},
	{"the log says that nobody was left to ask", logSaysThatNobodyWasLeftToAsk},
	{"a panic keeps no lease", panicKeepsNoLease},

	// Session affinity.
	{"a header field keeps a user on one endpoint", headerFieldKeepsAUserOnOneEndpoint},
	{"a generated cookie is set once and obeyed", generatedCookieIsSetOnceAndObeyed},
	{"an HTTP cookie has the file's attributes", httpCookieHasTheFilesAttributes},
	{"a client's IP is looked for behind trusted proxies only", clientIPLooksThroughTrustedProxiesOnly},
	{"no affinity hashes the connection", noAffinityHashesTheConnection},

	// Actions of a route.
	{"a rewrite changes what the endpoint is asked for", rewriteChangesWhatTheEndpointIsAskedFor},
	{"a rewrite leaves the asterisk alone", rewriteLeavesTheAsteriskAlone},
	{"header edits reach both ends", headerEditsReachBothEnds},
	{"header edits apply to the final response", headerEditsApplyToTheFinalResponse},
	{"header edits leave failures alone", headerEditsLeaveFailuresAlone},
	{"a redirect needs no endpoint and keeps the connection", redirectNeedsNoEndpointAndKeepsTheConnection},
	{"a redirect knows the scheme from a trusted proxy only", redirectKnowsTheSchemeFromATrustedProxyOnly},
	{"a redirect without Host names the address it came to", redirectWithoutHostNamesTheAddressItCameTo},
	{"a fixed response is the same for everybody", fixedResponseIsTheSameForEverybody},
	{"a fixed response without content has no length", fixedResponseWithoutContentHasNoLength},
	{"a fixed response does not read a large body", fixedResponseDoesNotReadALargeBody},
	{"pipelined answers come in order", pipelinedAnswersComeInOrder},

	// Tunnels, after an upgrade.
	{"an upgrade loses no byte read with the heads", upgradeLosesNoByteReadWithTheHeads},
	{"a tunnel's connections carry no request again", tunnelsConnectionsCarryNoRequestAgain},
	{"a half-close passes through a tunnel", halfClosePassesThroughATunnel},
	{"silence ends a tunnel and time does not", silenceEndsATunnelAndTimeDoesNot},
	{"a client that vanishes from a tunnel blames nobody", clientThatVanishesFromATunnelBlamesNobody},
	{"an endpoint's reset reaches the client of a tunnel", endpointsResetReachesTheClientOfATunnel},
	{"a refused upgrade goes on as HTTP", refusedUpgradeGoesOnAsHTTP},
	{"an upgrade sets the affinity cookie", upgradeSetsTheAffinityCookie},
	{"a drain leaves tunnels alone and an abort ends them", drainLeavesTunnelsAloneAndAbortEndsThem},
}

// promisesAlone are those whose tests measure the process, or leave the machine no
// time for others, which have timeouts to keep.
var promisesAlone = []promise{
	{"bodies of every size and framing arrive unchanged", bodiesOfEverySizeAndFramingArriveUnchanged},
	{"no response is another client's", noResponseIsAnotherClients},
	{"bulk through a tunnel arrives whole", bulkThroughATunnelArrivesWhole},
	{"many tunnels at once", manyTunnelsAtOnce},
	{"silent tunnels hold no buffers", silentTunnelsHoldNoBuffers},
	{"idle connections hold no buffers", idleConnectionsHoldNoBuffers},
	{"large heads leave no memory behind", largeHeadsLeaveNoMemoryBehind},
}
