package console

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/quorate-db/quorate/internal/env"
)

//go:embed static
var static embed.FS

// Options configures a console.
type Options struct {
	Source Source
	Clock  env.Clock
	Logger *slog.Logger
	// Doors decides who may look; nil is everybody who can reach the port and is not
	// sent by a foreign page.
	Doors Doors
}

// Console serves the page. See the package comment.
type Console struct {
	o     Options
	feed  *feed
	files http.Handler
	logins
}

// New returns a console.
func New(o Options) (*Console, error) {
	sub, err := fs.Sub(static, "static")
	if err != nil {
		return nil, fmt.Errorf("find the files of the console: %w", err)
	}
	c := &Console{o: o, files: http.StripPrefix("/console/", http.FileServerFS(sub))}
	c.feed = newFeed(c.next, o.Clock)
	c.logins.init()
	return c, nil
}

// ServeHTTP serves what is below /console/.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	switch r.URL.Path {
	case "/console/login":
		c.login(w, r)
		return
	case "/console/logout":
		c.logout(w, r)
		return
	case "/console/login.html", "/console/console.css":
		c.files.ServeHTTP(w, r)
		return
	}
	if !c.mayLook(w, r) {
		return
	}
	switch r.URL.Path {
	case "/console/events":
		c.events(w, r)
	case "/console/load":
		c.load(w, r)
	default:
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "the console only shows", http.StatusMethodNotAllowed)
			return
		}
		c.files.ServeHTTP(w, r)
	}
}

// mayLook answers the request itself if it may not see anything.
func (c *Console) mayLook(w http.ResponseWriter, r *http.Request) bool {
	if c.o.Doors == nil {
		if !named(r.Host) {
			return true
		}
		http.Error(w, "ask for the console by an address or by localhost, not by the name "+strconv.Quote(r.Host), http.StatusForbidden)
		return false
	}
	if c.user(r) != "" {
		return true
	}
	if r.URL.Path == "/console/" {
		http.Redirect(w, r, "/console/login.html", http.StatusSeeOther)
		return false
	}
	http.Error(w, "log in first: /console/login.html", http.StatusUnauthorized)
	return false
}

// named reports whether a host is a name that somebody else may have pointed here.
func named(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	return host != "localhost" && net.ParseIP(host) == nil
}

// snapshotTimeout bounds one look at the cluster.
const snapshotTimeout = 3 * time.Second

func (c *Console) next(ctx context.Context) []byte {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	b, err := json.Marshal(c.o.Source.Snapshot(ctx))
	if err != nil {
		c.o.Logger.Error("write the console's snapshot", "err", err)
		return nil
	}
	return b
}

// events sends snapshots until the page is closed.
func (c *Console) events(w http.ResponseWriter, r *http.Request) {
	flush, ok := w.(http.Flusher)
	if !ok {
		http.Error(w, "this connection cannot stream", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	flush.Flush()
	sub, leave := c.feed.join()
	defer leave()
	for {
		select {
		case <-r.Context().Done():
			return
		case b, ok := <-sub:
			if !ok {
				return
			}
			if _, err := fmt.Fprintf(w, "data: %s\n\n", b); err != nil {
				return // the page is gone
			}
			flush.Flush()
		}
	}
}

// load sends the last hour, or what came after since, in milliseconds since 1970.
func (c *Console) load(w http.ResponseWriter, r *http.Request) {
	since := time.Time{}
	if text := r.URL.Query().Get("since"); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			http.Error(w, "since: milliseconds since 1970", http.StatusBadRequest)
			return
		}
		since = time.UnixMilli(ms)
	}
	ctx, cancel := context.WithTimeout(r.Context(), snapshotTimeout)
	defer cancel()
	w.Header().Set("Content-Type", "application/json")
	points := c.o.Source.Load(ctx, since)
	if points == nil {
		points = []LoadPoint{}
	}
	_ = json.NewEncoder(w).Encode(points) // the page is gone
}

// Close ends all streams.
func (c *Console) Close() { c.feed.close() }
