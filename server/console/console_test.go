package console

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate-db/quorate/internal/env"
)

// counting is a source that counts how often it is asked.
type counting struct{ asked atomic.Int64 }

func (c *counting) Snapshot(context.Context) *Snapshot {
	return &Snapshot{At: c.asked.Add(1), Version: "test"}
}

func (c *counting) Load(_ context.Context, since time.Time) []LoadPoint {
	if since.IsZero() {
		return []LoadPoint{{At: 1}, {At: 2}}
	}
	return nil
}

// testDoors knows ann, who may look, and bob, who may not.
type testDoors struct{ err error }

func (d testDoors) Password(_ *http.Request, role, password string) (bool, error) {
	return role == "ann" && password == "right", d.err
}
func (d testDoors) Certificate(r *http.Request) string { return r.Header.Get("Test-Certificate") }

func newTest(t *testing.T, doors Doors) (*Console, *counting) {
	src := &counting{}
	c, err := New(Options{Source: src, Clock: env.SystemClock(), Logger: slog.New(slog.DiscardHandler), Doors: doors})
	if err != nil {
		t.Fatal(err)
	}
	return c, src
}

func get(c http.Handler, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "127.0.0.1:8433"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// TestPage proves that the page and all that it names are served from the binary,
// that they ask nobody else, and that their size stays within its bound.
func TestPage(t *testing.T) {
	c, _ := newTest(t, nil)
	size := 0
	for _, f := range []string{"", "console.js", "console.css", "uplot.min.js", "uplot.min.css", "login.html"} {
		w := get(c, "/console/"+f, nil)
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%q: status %d, %d bytes", f, w.Code, w.Body.Len())
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'self'") {
			t.Errorf("%q: policy %q", f, csp)
		}
		if body := w.Body.String(); strings.Contains(body, "http://") || strings.Contains(strings.ReplaceAll(body, "https://github.com/leeoniya/uPlot", ""), "https://") {
			t.Errorf("%q names another host", f)
		}
		size += w.Body.Len()
	}
	if size > 150<<10 {
		t.Errorf("the page has %d bytes", size)
	}
	if w := get(c, "/console/nothing", nil); w.Code != http.StatusNotFound {
		t.Errorf("a file that is not there: %d", w.Code)
	}
	r := httptest.NewRequest(http.MethodDelete, "/console/", nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", w.Code)
	}
}

// TestForeignPage proves that without certificates a page of another site cannot read
// the console by giving its own name this address.
func TestForeignPage(t *testing.T) {
	c, _ := newTest(t, nil)
	for host, want := range map[string]int{"127.0.0.1:8433": 200, "[::1]:8433": 200, "localhost:8433": 200, "localhost": 200, "10.0.0.7": 200,
		"evil.example:8433": 403, "evil.example": 403, "localhost.evil.example": 403, "": 403} {
		w := get(c, "/console/load", func(r *http.Request) { r.Host = host })
		if w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
	}
}

// TestLoad proves what the path of the charts answers, also to nonsense.
func TestLoad(t *testing.T) {
	c, _ := newTest(t, nil)
	for path, want := range map[string]string{"/console/load": `[{"at_ms":1`, "/console/load?since=5": "[]", "/console/load?since=x": "since: milli"} {
		if got := get(c, path, nil).Body.String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func post(c http.Handler, path string, form url.Values, cookie *http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.TLS = &tls.ConnectionState{}
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// TestLogin proves who gets in, for how long, and that everything but the form is
// closed to everybody else.
func TestLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newTest(t, testDoors{})
		for path, want := range map[string]int{"/console/": 303, "/console/load": 401, "/console/events": 401, "/console/console.js": 401,
			"/console/index.html": 401, "/console/login.html": 200, "/console/console.css": 200} {
			if w := get(c, path, nil); w.Code != want {
				t.Errorf("%s without a login: %d, want %d", path, w.Code, want)
			}
		}
		began := time.Now()
		for _, form := range []url.Values{{"role": {"ann"}, "password": {"wrong"}}, {"role": {"bob"}, "password": {"right"}}, {}} {
			w := post(c, "/console/login", form, nil)
			if len(w.Result().Cookies()) != 0 || w.Header().Get("Location") != "/console/login.html#refused" {
				t.Errorf("%v: %d %v", form, w.Code, w.Header())
			}
		}
		if took := time.Since(began); took < 3*failedPause {
			t.Errorf("three wrong passwords took %v", took)
		}
		w := post(c, "/console/login", url.Values{"role": {"ann"}, "password": {"right"}}, nil)
		cookies := w.Result().Cookies()
		if len(cookies) != 1 || !cookies[0].HttpOnly || !cookies[0].Secure || cookies[0].SameSite != http.SameSiteStrictMode {
			t.Fatalf("cookies after a login: %v", cookies)
		}
		with := func(r *http.Request) { r.AddCookie(cookies[0]) }
		if w := get(c, "/console/load", with); w.Code != http.StatusOK {
			t.Errorf("after the login: %d", w.Code)
		}
		if w := get(c, "/console/load", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookieName, Value: "guess"}) }); w.Code != http.StatusUnauthorized {
			t.Errorf("with a made up cookie: %d", w.Code)
		}
		if w := get(c, "/console/load", func(r *http.Request) { r.Header.Set("Test-Certificate", "node") }); w.Code != http.StatusOK {
			t.Errorf("with a certificate: %d", w.Code)
		}
		time.Sleep(sessionLasts)
		if w := get(c, "/console/load", with); w.Code != http.StatusUnauthorized {
			t.Errorf("after the session has ended: %d", w.Code)
		}
		w = post(c, "/console/login", url.Values{"role": {"ann"}, "password": {"right"}}, nil)
		again := w.Result().Cookies()[0]
		post(c, "/console/logout", nil, again)
		if w := get(c, "/console/load", func(r *http.Request) { r.AddCookie(again) }); w.Code != http.StatusUnauthorized {
			t.Errorf("after the logout: %d", w.Code)
		}
	})
}

// TestLoginWithoutQuorum proves that an unknown answer lets nobody in and says so.
func TestLoginWithoutQuorum(t *testing.T) {
	c, _ := newTest(t, testDoors{err: errors.New("no quorum")})
	w := post(c, "/console/login", url.Values{"role": {"ann"}, "password": {"right"}}, nil)
	if w.Code != http.StatusServiceUnavailable || len(w.Result().Cookies()) != 0 || !strings.Contains(w.Body.String(), "no quorum") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = post(c, "/console/login", url.Values{"role": {strings.Repeat("x", formMax)}}, nil)
	if w.Code != http.StatusBadRequest {
		t.Errorf("a huge form: %d", w.Code)
	}
}

// TestLoginsAreBounded proves that logins cannot fill the memory.
func TestLoginsAreBounded(t *testing.T) {
	c, _ := newTest(t, testDoors{})
	for range sessionsMax + 50 {
		c.begin("ann")
	}
	if n := len(c.open); n != sessionsMax {
		t.Errorf("%d sessions, at most %d", n, sessionsMax)
	}
}

// TestFeed proves that the cluster is asked once for all pages, and not at all for none.
func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, src := newTest(t, nil)
		defer c.Close()
		time.Sleep(time.Minute)
		if n := src.asked.Load(); n != 0 {
			t.Errorf("asked %d times for nobody", n)
		}
		a, leaveA := c.feed.join()
		first := <-a
		b, leaveB := c.feed.join()
		if got := <-b; string(got) != string(first) {
			t.Errorf("a second page begins with %s, not with what the first has", got)
		}
		time.Sleep(10*feedPeriod + feedPeriod/2)
		if n := src.asked.Load(); n != 11 {
			t.Errorf("asked %d times in ten periods for two pages, want 11", n)
		}
		var s Snapshot
		if err := json.Unmarshal(<-a, &s); err != nil || s.At != 11 {
			t.Errorf("a slow page gets snapshot %d (%v), not the newest", s.At, err)
		}
		leaveA()
		leaveB()
		time.Sleep(time.Minute)
		if n := src.asked.Load(); n != 11 {
			t.Errorf("asked %d times after the last page was closed", n)
		}
		_, leave := c.feed.join()
		defer leave()
		time.Sleep(feedPeriod / 2)
		if n := src.asked.Load(); n != 12 {
			t.Errorf("asked %d times after a page was opened again", n)
		}
	})
}

// TestEvents proves the form of the stream, and that closing the console ends it.
func TestEvents(t *testing.T) {
	c, _ := newTest(t, nil)
	srv := httptest.NewServer(c)
	defer srv.Close()
	resp, err := http.Get(srv.URL + "/console/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), `data: {"at_ms":1,`) || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%s: %s", resp.Header, lines.Text())
	}
	c.Close()
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream broke: %v", err)
	}
	if _, leave := c.feed.join(); leave == nil {
		t.Error("no leave after close")
	}
}
