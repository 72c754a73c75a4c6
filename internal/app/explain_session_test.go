package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/app"
)

func TestExplainOpensStrongCookies(t *testing.T) {
	t.Parallel()
	var addrs []string
	for i := range 4 {
		addrs = append(addrs, named(t, fmt.Sprintf("e%d", i)))
	}
	key := cookieKeyText()
	p := run(t, boundTo(addrs, 100000, "", key))
	resp, err := http.Get("http://" + p.ListenAddr("web").String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	who, cookie := string(body), resp.Cookies()[0].Name+"="+resp.Cookies()[0].Value

	ask := func(file, cookie string) admin.Explanation {
		t.Helper()
		var q admin.Question
		if err := q.Add("cookie", cookie); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Parse("f.toml", []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		x, err := app.Explain(t.Context(), cfg, cfg.Services[0].Name, q)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	with := func(key string) string { return boundTo(addrs, 100000, "", key) }
	without := strings.Replace(with(key), "keys = [\""+key+"\"]", "", 1)
	for _, c := range []struct{ name, file, cookie, says, endpoint string }{
		{"good", with(key), cookie, "is valid", who},
		{"forged", with(key), "SPILLWAY=e1", "is forged or damaged", ""},
		{"of another key", with(cookieKeyText()), cookie, "a key that is not known here", ""},
		{"without keys", without, cookie, "the file has no keys", ""},
		{"of another service", strings.ReplaceAll(with(key), `"web"`, `"shop"`), cookie, "is of another service", ""},
		{"behind junk", with(key), "SPILLWAY=junk; " + cookie, "is valid", who},
		{"none", with(key), "lang=en", "is not there", ""},
		{"of an endpoint that is gone", strings.ReplaceAll(with(key), `"`+who+`"`, `"gone"`), cookie, "which is not configured", ""},
	} {
		x := ask(c.file, c.cookie)
		if !strings.Contains(x.Session, c.says) || c.endpoint != "" && (x.Endpoint != c.endpoint || x.Reason != "its session is on it") || x.Endpoint == "" {
			t.Errorf("%s: %q, endpoint %q because %s", c.name, x.Session, x.Endpoint, x.Reason)
		}
	}

	// The running proxy has a key of its own, where the file has none.
	p.reload(without)
	visitor := newVisitors(t, 1)
	who = visitor.visit(p)[0]
	base := &url.URL{Scheme: "http", Host: p.ListenAddr("web").String()}
	cookie = visitor.clients[0].Jar.Cookies(base)[0].String()
	client := admin.NewClient(p.ListenAddr("admin").String(), "")
	defer client.Close()
	var q admin.Question
	if err := q.Add("cookie", cookie); err != nil {
		t.Fatal(err)
	}
	if x, err := client.Explain(t.Context(), "web", q); err != nil || x.Endpoint != who || !strings.Contains(x.Session, "is valid") {
		t.Errorf("live: %q, endpoint %q, %v", x.Session, x.Endpoint, err)
	}
}
