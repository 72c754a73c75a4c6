package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"github.com/valyala/fasthttp"
)

// A scalerBody has what was sent, so that null is not taken for nothing.
type scalerBody struct {
	CapacityScaler json.RawMessage `json:"capacity_scaler"`
}

// setGroup scales a group's capacity, and answers with the group as it is then.
func (s *Server) setGroup(r *request) {
	if s.o.SetScaler == nil {
		problem(fasthttp.StatusNotImplemented, "this proxy has no capacity to scale").send(r.RequestCtx)
		return
	}
	var body scalerBody
	if !r.read(&body) {
		return
	}
	scaler, err := body.scaler()
	if err != nil {
		problem(fasthttp.StatusBadRequest, "%v", err).send(r.RequestCtx)
		return
	}
	g := s.lookUpGroup(r)
	switch {
	case g == nil:
		return
	case g.GroupCapacity == nil:
		problem(fasthttp.StatusConflict, "group %q of service %q has no balancing_mode, so there is no capacity to scale", r.member, r.service).send(r.RequestCtx)
		return
	}
	if err := s.o.SetScaler(r.service, r.member, scaler); err != nil {
		problem(fasthttp.StatusConflict, "%v", err).send(r.RequestCtx)
		return
	}
	if g = s.lookUpGroup(r); g == nil {
		return // a reload removed it just now
	}
	s.o.Log.Info("capacity scaled", "service", r.service, "group", r.member, "capacity_scaler", g.CapacityScaler, "from", r.RemoteAddr().String())
	r.answer(g)
}

// scaler reads the number; nil is the file's own (spec.md §2.5).
func (b *scalerBody) scaler() (*float64, error) {
	const want = `want 0, 0.1 to 1, or null for what the file says`
	switch {
	case len(b.CapacityScaler) == 0:
		return nil, fmt.Errorf(`there is no "capacity_scaler"; %s`, want)
	case bytes.Equal(b.CapacityScaler, []byte("null")):
		return nil, nil
	}
	var x float64
	if json.Unmarshal(b.CapacityScaler, &x) != nil || x != 0 && !(x >= 0.1 && x <= 1) {
		return nil, fmt.Errorf(`"capacity_scaler" is %.40s; %s`, b.CapacityScaler, want)
	}
	x = math.Abs(x) // of -0
	return &x, nil
}

// lookUpGroup finds the group that the path names, or answers 404.
func (s *Server) lookUpGroup(r *request) *GroupStatus {
	v := s.lookUp(r)
	if v == nil {
		return nil
	}
	for i := range v.Groups {
		if v.Groups[i].Name == r.member {
			return &v.Groups[i]
		}
	}
	problem(fasthttp.StatusNotFound, "service %q has no group %q", r.service, r.member).send(r.RequestCtx)
	return nil
}
