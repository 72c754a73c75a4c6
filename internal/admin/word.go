package admin

import (
	"github.com/valyala/fasthttp"

	"github.com/spillway-lb/spillway/lb"
)

// setEndpoint sets the operator's word, or has connections cut, and answers with the
// endpoint as it is then; of one that was removed, with its ID, address and what was
// active.
func (s *Server) setEndpoint(r *request) {
	var body adminBody
	if !r.read(&body) {
		return
	}
	switch {
	case body.Admin != "" || !body.Cut:
		s.setWord(r, &body)
	default:
		s.cutNow(r)
	}
}

func (s *Server) setWord(r *request, body *adminBody) {
	if s.o.SetAdmin == nil || body.Cut && s.o.CutNow == nil {
		problem(fasthttp.StatusNotImplemented, "this proxy has no endpoints to drain").send(r.RequestCtx)
		return
	}
	word, err := lb.ParseAdmin(body.Admin)
	if err != nil {
		problem(fasthttp.StatusBadRequest, `"admin" is %q; want READY, DRAIN or DOWN`, body.Admin).send(r.RequestCtx)
		return
	}
	if body.Cut && word == lb.Ready {
		problem(fasthttp.StatusBadRequest, `"cut" is for DRAIN and DOWN: a READY endpoint would get new connections`).send(r.RequestCtx)
		return
	}
	if _, ok := s.lookUpEndpoint(r); !ok {
		return
	}
	if err := s.o.SetAdmin(r.service, r.member, word); err != nil {
		problem(fasthttp.StatusNotFound, "%v", err).send(r.RequestCtx)
		return
	}
	s.o.Log.Info("operator's word", "service", r.service, "endpoint", r.member, "admin", word.String(), "cut", body.Cut, "from", r.RemoteAddr().String())
	if body.Cut {
		s.o.CutNow(r.service, r.member)
	}
	if e, ok := s.lookUpEndpoint(r); ok { // else a reload removed it just now
		r.answer(e)
	}
}

// cutNow cuts the connections to an endpoint that is out already, or was removed.
func (s *Server) cutNow(r *request) {
	v := s.lookUp(r)
	switch {
	case v == nil:
		return
	case s.o.CutNow == nil:
		problem(fasthttp.StatusNotImplemented, "this proxy has no connections to cut").send(r.RequestCtx)
		return
	case !s.o.CutNow(r.service, r.member):
		problem(fasthttp.StatusConflict, "endpoint %q of service %q is neither drained nor down nor removed: nothing is cut", r.member, r.service).send(r.RequestCtx)
		return
	}
	s.o.Log.Info("connections cut by the operator", "service", r.service, "endpoint", r.member, "from", r.RemoteAddr().String())
	if e, ok := v.endpoint(r.member); ok {
		r.answer(e)
		return
	}
	for _, gone := range v.Removed {
		if gone.ID == r.member {
			r.answer(EndpointStatus{ID: gone.ID, Address: gone.Address, Active: gone.Active})
			return
		}
	}
	r.answer(EndpointStatus{ID: r.member})
}

// lookUpEndpoint finds the endpoint that the path names, or answers 404.
func (s *Server) lookUpEndpoint(r *request) (EndpointStatus, bool) {
	v := s.lookUp(r)
	if v == nil {
		return EndpointStatus{}, false
	}
	e, ok := v.endpoint(r.member)
	if !ok {
		problem(fasthttp.StatusNotFound, "service %q has no endpoint %q", r.service, r.member).send(r.RequestCtx)
	}
	return e, ok
}
