package locktable

// Mode is the strength of a row lock, as in PostgreSQL ("Explicit Locking",
// Row-Level Locks). The zero value is no mode.
type Mode uint8

// The modes, weakest first. Each conflicts with everything that a weaker one
// conflicts with, so whoever has the stronger one needs no weaker beside it.
const (
	KeyShare    Mode = iota + 1 // FOR KEY SHARE: the key stays, other columns may change
	Share                       // FOR SHARE: the row stays as it is
	NoKeyUpdate                 // FOR NO KEY UPDATE, UPDATE of other columns
	Update                      // FOR UPDATE, DELETE, UPDATE of key columns, INSERT
)

// Valid reports whether m is one of the modes.
func (m Mode) Valid() bool { return m >= KeyShare && m <= Update }

// Exclusive reports whether only one transaction can hold the mode at a time.
func (m Mode) Exclusive() bool { return m >= NoKeyUpdate }

// Conflicts reports whether two transactions cannot hold m and o at once.
func (m Mode) Conflicts(o Mode) bool {
	// With the modes numbered from the weakest, PostgreSQL's table of conflicts is
	// a staircase: KEY SHARE meets only UPDATE, SHARE the two strongest, and so on.
	return m+o >= KeyShare+Update
}

// String returns the mode as PostgreSQL writes it.
func (m Mode) String() string {
	switch m {
	case KeyShare:
		return "FOR KEY SHARE"
	case Share:
		return "FOR SHARE"
	case NoKeyUpdate:
		return "FOR NO KEY UPDATE"
	case Update:
		return "FOR UPDATE"
	}
	return "invalid"
}
