package admin

import (
	"encoding/json"
	"fmt"

	"github.com/valyala/fasthttp"
)

// A Problem is an error of the API, as RFC 9457 writes it. The server sends it
// and the client returns it as an error.
type Problem struct {
	// Type is "about:blank": the status says what kind of problem it is
	// (RFC 9457 §4.2.1).
	Type   string `json:"type"`
	Title  string `json:"title"`  // of the status, such as "Not Found"
	Status int    `json:"status"` // the HTTP status
	Detail string `json:"detail"` // what is wrong with this request
}

// Error returns the detail, and the title where there is none.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return fmt.Sprintf("admin API: %d %s", p.Status, p.Title)
	}
	return p.Detail
}

func problem(status int, format string, args ...any) *Problem {
	return &Problem{
		Type:   "about:blank",
		Title:  fasthttp.StatusMessage(status),
		Status: status,
		Detail: fmt.Sprintf(format, args...),
	}
}

// send makes p the response.
func (p *Problem) send(ctx *fasthttp.RequestCtx) {
	body, _ := json.Marshal(p) // of strings and a number
	ctx.SetStatusCode(p.Status)
	ctx.SetContentType(problemType)
	ctx.SetBody(append(body, '\n'))
}

const (
	problemType = "application/problem+json"
	jsonType    = "application/json"
	textType    = "text/plain; charset=utf-8"
)
