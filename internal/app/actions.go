package app

import (
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/proxy"
)

// actionsOf is what a route does besides handing requests to its service; nil
// for nothing.
func actionsOf(r *config.Route) (*proxy.Actions, error) {
	if r.URLRedirect == nil && r.FixedResponse == nil && r.URLRewrite == nil && r.HeaderAction == nil {
		return nil, nil
	}
	a := new(proxy.Actions)
	if d := r.URLRedirect; d != nil {
		a.Redirect = &proxy.Redirect{
			Status: int(d.RedirectResponseCode), Host: d.HostRedirect, Path: d.PathRedirect,
			Prefix: d.PrefixRedirect, HTTPS: d.HTTPSRedirect, StripQuery: d.StripQuery,
		}
	}
	if f := r.FixedResponse; f != nil {
		a.Fixed = &proxy.FixedResponse{Status: f.Status, Body: []byte(f.Body), ContentType: f.ContentType}
	}
	if w := r.URLRewrite; w != nil {
		a.PathRewrite = w.PathPrefixRewrite
		if w.HostRewrite != "" {
			a.HostRewrite = []byte(w.HostRewrite)
		}
	}
	h := r.HeaderAction
	if h == nil {
		return a, nil
	}
	var err error
	if a.Request, err = proxy.NewHeaderEdit(h.RequestHeadersToRemove, fieldsOf(h.RequestHeadersToAdd)); err != nil {
		return nil, err
	}
	a.Response, err = proxy.NewHeaderEdit(h.ResponseHeadersToRemove, fieldsOf(h.ResponseHeadersToAdd))
	return a, err
}

func fieldsOf(add []config.HeaderToAdd) []proxy.HeaderField {
	fields := make([]proxy.HeaderField, len(add))
	for i, f := range add {
		fields[i] = proxy.HeaderField{Name: f.HeaderName, Value: f.HeaderValue, Replace: f.Replace}
	}
	return fields
}
