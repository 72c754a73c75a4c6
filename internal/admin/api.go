package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/valyala/fasthttp"
)

func (s *Server) livez(r *request) {
	r.SetContentType(textType)
	r.SetBodyString("ok\n")
}

func (s *Server) readyz(r *request) {
	ok, why := s.o.Ready()
	if !ok {
		problem(fasthttp.StatusServiceUnavailable, "not ready: %s", why).send(r.RequestCtx)
		return
	}
	r.SetContentType(textType)
	r.SetBodyString("ready\n")
}

func (s *Server) services(r *request) {
	all := servicesBody{Services: []ServiceStatus{}} // so that none is [], not null
	if s.o.Services != nil {
		for _, service := range s.o.Services() {
			v := viewService(&service)
			if service.Retired {
				all.Retired = append(all.Retired, RetiredStatus{v.Name, v.Protocol, v.Removed})
			} else {
				all.Services = append(all.Services, v)
			}
		}
	}
	r.answer(all)
}

func (s *Server) service(r *request) {
	if v := s.lookUp(r); v != nil {
		r.answer(v)
	}
}

// lookUp finds the service that the path names, or answers 404.
func (s *Server) lookUp(r *request) *ServiceStatus {
	if s.o.Services != nil {
		for _, service := range s.o.Services() {
			if service.Status.Name == r.service && !service.Retired {
				v := viewService(&service)
				return &v
			}
		}
	}
	problem(fasthttp.StatusNotFound, "no service is named %q", r.service).send(r.RequestCtx)
	return nil
}

func (s *Server) reload(r *request) {
	if s.o.Reload == nil {
		problem(fasthttp.StatusNotImplemented, "this proxy runs without a file: there is nothing to reload").send(r.RequestCtx)
		return
	}
	s.o.Log.Info("reload asked for", "from", r.RemoteAddr().String())
	if err := s.o.Reload(); err != nil {
		problem(fasthttp.StatusUnprocessableEntity, "%v", err).send(r.RequestCtx)
		return
	}
	r.answer(reloadBody{true})
}

func (s *Server) upgrade(r *request) {
	if s.o.Upgrade == nil {
		problem(fasthttp.StatusNotImplemented, "this proxy cannot start another in its place").send(r.RequestCtx)
		return
	}
	s.o.Log.Info("upgrade asked for", "from", r.RemoteAddr().String())
	pid, err := s.o.Upgrade()
	if err != nil {
		problem(fasthttp.StatusConflict, "%v", err).send(r.RequestCtx)
		return
	}
	r.answer(upgradeBody{pid})
}

// answer makes v the response.
func (r *request) answer(v any) {
	body, err := json.Marshal(v)
	if err != nil {
		problem(fasthttp.StatusInternalServerError, "%v", err).send(r.RequestCtx)
		return
	}
	r.SetContentType(jsonType)
	r.SetBody(append(body, '\n'))
}

// read reads the body, which must be one JSON object of v's keys, or answers
// 400.
func (r *request) read(v any) bool {
	d := json.NewDecoder(bytes.NewReader(r.PostBody()))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil && d.More() {
		err = errors.New("something follows the object")
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	}
	if err != nil {
		problem(fasthttp.StatusBadRequest, "the body must be one JSON object: %v", err).send(r.RequestCtx)
	}
	return err == nil
}
