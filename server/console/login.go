package console

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/env"
)

// Doors decides who may look, where logins are asked for. Safe for concurrent use.
type Doors interface {
	// Password reports whether a role may look that has shown a password. An unknown
	// role, a wrong password and a role without the right are no errors; an error says
	// that nobody can tell now.
	Password(r *http.Request, role, password string) (bool, error)
	// Certificate names the role whose verified client certificate the connection has
	// shown, if it may look; "" for none.
	Certificate(r *http.Request) string
}

const (
	cookieName   = "quorate_console"
	sessionLasts = 12 * time.Hour
	// sessionsMax bounds the memory that logins take: the oldest goes.
	sessionsMax = 1000
	// triesMax is how many passwords are checked at once, and failedPause how long a
	// wrong one takes at least: guessing is slow.
	triesMax    = 4
	failedPause = 500 * time.Millisecond
	// formMax bounds the body of a login, in bytes.
	formMax = 4 << 10
)

type session struct {
	user string
	ends time.Time
}

// logins remembers who has logged in, in this process only.
type logins struct {
	tries chan struct{}
	mu    sync.Mutex
	open  map[string]session // by token; guarded by mu
}

func (l *logins) init() {
	l.tries = make(chan struct{}, triesMax)
	l.open = map[string]session{}
}

// user is who sends a request, "" for nobody.
func (c *Console) user(r *http.Request) string {
	if u := c.o.Doors.Certificate(r); u != "" {
		return u
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.open[cookie.Value]
	if !ok || !c.o.Clock.Now().Before(s.ends) {
		delete(c.open, cookie.Value)
		return ""
	}
	return s.user
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	switch {
	case c.o.Doors == nil:
		http.Redirect(w, r, "/console/", http.StatusSeeOther)
		return
	case r.Method != http.MethodPost:
		http.Redirect(w, r, "/console/login.html", http.StatusSeeOther)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "not a login", http.StatusBadRequest)
		return
	}
	select {
	case c.tries <- struct{}{}:
		defer func() { <-c.tries }()
	case <-r.Context().Done():
		return
	}
	role := r.PostForm.Get("role")
	ok, err := c.o.Doors.Password(r, role, r.PostForm.Get("password"))
	if err != nil {
		http.Error(w, "nobody can log in now: "+err.Error()+". With a client certificate of a node or of the administrator the console opens without.", http.StatusServiceUnavailable)
		return
	}
	if !ok {
		c.o.Logger.Info("login to the console refused", "role", role, "from", r.RemoteAddr)
		if env.Sleep(r.Context(), c.o.Clock, failedPause) == nil {
			http.Redirect(w, r, "/console/login.html#refused", http.StatusSeeOther)
		}
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: c.begin(role), Path: "/console/", MaxAge: int(sessionLasts.Seconds()),
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/console/", http.StatusSeeOther)
}

// begin returns the token of a new session.
func (c *Console) begin(user string) string {
	var b [32]byte
	rand.Read(b[:])
	token := base64.RawURLEncoding.EncodeToString(b[:])
	now := c.o.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	oldest := ""
	for t, s := range c.open {
		if !now.Before(s.ends) {
			delete(c.open, t)
		} else if oldest == "" || s.ends.Before(c.open[oldest].ends) {
			oldest = t
		}
	}
	if len(c.open) >= sessionsMax {
		delete(c.open, oldest)
	}
	c.open[token] = session{user, now.Add(sessionLasts)}
	return token
}

func (c *Console) logout(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST it", http.StatusMethodNotAllowed)
		return
	}
	if cookie, err := r.Cookie(cookieName); err == nil {
		c.mu.Lock()
		delete(c.open, cookie.Value)
		c.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/console/", MaxAge: -1, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/console/login.html", http.StatusSeeOther)
}
