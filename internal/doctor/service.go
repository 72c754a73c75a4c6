package doctor

import (
	"fmt"
	"strings"
	"time"
)

// judgeKeepalive is of endpoints that close idle connections before the proxy does:
// now and then a request is sent to one that is being closed.
func judgeKeepalive(at place, f *Facts, c course) {
	kept := time.Duration(0)
	if s := f.service(at.service); s != nil {
		kept = time.Duration(s.KeepaliveTimeout)
	}
	shortest, who := time.Duration(0), ""
	for key, p := range f.Probes {
		if key.Service == at.service && p.KeepAlive > 0 && (who == "" || p.KeepAlive < shortest || p.KeepAlive == shortest && key.Endpoint < who) {
			shortest, who = p.KeepAlive, key.Endpoint
		}
	}
	const (
		tooMany = 3                      // one dies with its endpoint now and then
		atOnce  = 100 * time.Millisecond // who hangs up so soon has done so before the next request comes
	)
	stale := grown(c.first().Attempts["stale_connection"], c.last().Attempts["stale_connection"])
	inverted := who != "" && kept > 0 && shortest < kept
	remedy := "make the endpoints keep idle connections longer than the proxy: their keep-alive timeout above keepalive_timeout, or keepalive_timeout of the service below theirs"
	if inverted {
		remedy = fmt.Sprintf("set keepalive_timeout of the service below %v, or the endpoints' keep-alive timeout above %v", shortest, kept)
	}
	switch {
	case stale >= tooMany:
		evidence := fmt.Sprintf("%d requests met an idle connection that the endpoint had just closed, in %v", stale, round(f.window()))
		if kept > 0 {
			evidence += fmt.Sprintf("; the proxy keeps idle connections for %v", kept)
		}
		if inverted {
			evidence += fmt.Sprintf(", %s for %v", who, shortest)
		}
		at.of(who).find("keepalive-inversion", evidence, remedy)
	case inverted:
		say := at.of(who).find
		if shortest <= atOnce {
			say = at.of(who).note
		}
		say("keepalive-inversion", fmt.Sprintf("it keeps idle connections for %v, the proxy for %v: a request may meet one that is just closed, and unless it is idempotent it fails", shortest, kept), remedy)
	}
}

// judgeWeights names the endpoints whose reports make those of all others useless.
func judgeWeights(at place, c course) {
	s := c.last()
	if s.Weights != "CONFIGURED" || s.Policy != "WEIGHTED_MAGLEV" {
		return
	}
	var guilty []string
	told := 0
	for _, e := range endpoints(s) {
		switch e.WeightError {
		case "INVALID_WEIGHT", "MISSING_WEIGHT", "UNAVAILABLE_WEIGHT":
			guilty = append(guilty, e.ID+" "+e.WeightError)
		case "WEIGHT_NONE":
			told++
		}
	}
	if len(guilty) == 0 || told == 0 { // nobody reports: then nobody is to
		return
	}
	at.find("weights", fmt.Sprintf("reported weights do not count, the file's do, because of %s; %s a good one", strings.Join(guilty, ", "), plural(told, "endpoint reports", "endpoints report")),
		"let every endpoint send X-Load-Balancing-Endpoint-Weight: 0 to 1000 with its replies to health checks")
}

// judgeCapacity is of groups that are full, or closed.
func judgeCapacity(at place, c course) {
	s := c.last()
	open, groups := 0, 0
	for _, g := range s.Groups {
		if g.GroupCapacity == nil {
			continue
		}
		groups++
		if g.Capacity > 0 || !g.Drained {
			open++
		}
	}
	for _, g := range s.Groups {
		m := g.GroupCapacity
		switch {
		case m == nil:
		case m.CapacityScaler == 0 && open == 0:
			at.find("capacity/scaler_0", fmt.Sprintf("capacity_scaler of group %s is 0, and no other group takes its traffic", g.Name),
				fmt.Sprintf("spillway ready %s --group %s, or capacity_scaler above 0 in the file", s.Name, g.Name))
		case m.CapacityScaler == 0:
			at.note("capacity", fmt.Sprintf("capacity_scaler of group %s is 0: it gets nobody new", g.Name),
				fmt.Sprintf("spillway ready %s --group %s opens it again", s.Name, g.Name))
		case m.Target == 0 && (m.BalancingMode == "RATE" || m.BalancingMode == "CONNECTION" || m.BalancingMode == "IN_FLIGHT"):
			at.find("capacity/target_0", fmt.Sprintf("the target of group %s is 0, so everything that comes to it is too much", g.Name),
				"give it a target above 0, or a capacity_scaler of 0 if nobody is to come")
		case m.Fullness >= 0.98 && c.spilledFrom(g.Name) > 0:
			at.find("capacity/full", fmt.Sprintf("group %s is full (%.0f of %.0f by %s, fullness %.2f), and %s spilled to other groups while it was watched",
				g.Name, m.Usage, m.Capacity, m.BalancingMode, m.Fullness, plural(c.spilledFrom(g.Name), "flow", "flows")),
				"add endpoints to the group or raise its target, if they can take more; spilling is what it is to do when full")
		case m.Fullness >= 1:
			at.find("capacity/overfull", fmt.Sprintf("group %s has %.0f of %.0f by %s (fullness %.2f), and nobody else has room", g.Name, m.Usage, m.Capacity, m.BalancingMode, m.Fullness),
				"add endpoints or groups: what comes now is served above target")
		}
	}
}

// spilledFrom is how many flows went past a group for it was full.
func (c course) spilledFrom(group string) (n uint64) {
	before := make(map[string]uint64)
	for _, s := range c.first().Spills {
		before[s.From+"\x00"+s.To] = s.Count
	}
	for _, s := range c.last().Spills {
		if s.From == group {
			n += grown(before[s.From+"\x00"+s.To], s.Count)
		}
	}
	return n
}
