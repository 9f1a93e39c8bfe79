package logictest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// statementTimeout bounds one statement of a script.
const statementTimeout = 2 * time.Minute

// Runner runs scripts. Close must be called.
type Runner struct {
	// DSNs are the servers to connect to: the first connection of a script goes to
	// the first, the next one to the second, and round again.
	DSNs []string
	// Extended uses the extended protocol where a statement stands alone.
	Extended bool
	// Engines are the names that skipif and onlyif know this server by.
	Engines []string
	// Record keeps what came out as what is wanted instead of comparing.
	Record bool
	// Failed is told of a record whose outcome is not what is wanted. Returning
	// false ends the script.
	Failed func(r *Record, why string) bool

	Ran, Skipped int

	types   *pgtype.Map
	conns   map[string]*connection
	current *connection
}

type connection struct {
	pg      *pgconn.PgConn
	notices []*pgconn.Notice
}

// Run runs one script from new connections. The error is one of the connection:
// what the records say goes to Failed.
func (x *Runner) Run(ctx context.Context, records []*Record) error {
	x.Close()
	x.types = pgtype.NewMap()
	x.conns = map[string]*connection{}
	if err := x.use(ctx, ""); err != nil {
		return err
	}
	for _, r := range records {
		if r.Kind == Comment {
			continue
		}
		if r.skips(x.Engines...) {
			x.Skipped++
			continue
		}
		if r.Kind == Halt {
			return nil
		}
		if r.Kind == Session {
			if err := x.use(ctx, r.Args[0]); err != nil {
				return err
			}
			continue
		}
		o, err := x.exec(ctx, r)
		if err != nil {
			return fmt.Errorf("line %d: %s: %w", r.Line, r.SQL, err)
		}
		x.Ran++
		if why := x.judge(r, o); why != "" && !x.Failed(r, why) {
			return nil
		}
	}
	return nil
}

// Close ends all connections.
func (x *Runner) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, c := range x.conns {
		_ = c.pg.Close(ctx) // the server may be gone
	}
	x.conns, x.current = nil, nil
}

func (x *Runner) use(ctx context.Context, name string) error {
	if c := x.conns[name]; c != nil {
		x.current = c
		return nil
	}
	cfg, err := pgconn.ParseConfig(x.DSNs[len(x.conns)%len(x.DSNs)])
	if err != nil {
		return fmt.Errorf("parse connection string: %w", err)
	}
	c := &connection{}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { c.notices = append(c.notices, n) }
	if c.pg, err = pgconn.ConnectConfig(ctx, cfg); err != nil {
		return fmt.Errorf("connect session %q: %w", name, err)
	}
	x.conns[name], x.current = c, c
	return nil
}

func (x *Runner) exec(ctx context.Context, r *Record) (*Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	o := &Outcome{}
	c := x.current
	c.notices = nil
	var err error
	switch {
	case r.Kind == Copy && r.HasData:
		var tag pgconn.CommandTag
		tag, err = c.pg.CopyFrom(ctx, strings.NewReader(r.Data), r.SQL)
		o.Tags = []string{tag.String()}
	case r.Kind == Copy:
		var tag pgconn.CommandTag
		var b strings.Builder
		tag, err = c.pg.CopyTo(ctx, &b, r.SQL)
		o.Tags, o.CopyOut = []string{tag.String()}, b.String()
	case x.Extended && alone(r.SQL):
		rr := c.pg.ExecParams(ctx, r.SQL, nil, nil, nil, nil)
		err = o.read(rr)
	default:
		mr := c.pg.Exec(ctx, r.SQL)
		for mr.NextResult() {
			_ = o.read(mr.ResultReader()) // Close has the same error
		}
		err = mr.Close()
	}
	o.Notices = c.notices
	if err != nil && !errors.As(err, &o.Err) {
		return nil, err
	}
	if c.pg.IsClosed() {
		return nil, fmt.Errorf("the server closed the connection: %w", err)
	}
	return o, nil
}

func (o *Outcome) read(rr *pgconn.ResultReader) error {
	if f := rr.FieldDescriptions(); len(f) > 0 {
		o.Columns = append([]pgconn.FieldDescription(nil), f...)
	}
	for rr.NextRow() {
		row := make([][]byte, len(rr.Values()))
		for i, v := range rr.Values() {
			if v != nil {
				row[i] = append([]byte{}, v...)
			}
		}
		o.Rows = append(o.Rows, row)
	}
	// Without a row the columns are known only now.
	if f := rr.FieldDescriptions(); len(f) > 0 && o.Columns == nil {
		o.Columns = append([]pgconn.FieldDescription(nil), f...)
	}
	tag, err := rr.Close()
	if err == nil {
		o.Tags = append(o.Tags, tag.String())
	}
	return err
}

// alone says whether a text is one statement, as far as it can be told cheaply:
// the extended protocol takes no more.
func alone(sql string) bool {
	i := strings.IndexByte(sql, ';')
	return i < 0 || strings.TrimSpace(sql[i+1:]) == ""
}

// judge says what is wrong with an outcome, "" if nothing is.
func (x *Runner) judge(r *Record, o *Outcome) string {
	switch {
	case r.Kind == Query && o.Err != nil:
		return strings.Join(errorLines(o.Err), "\n")
	case r.Kind == Query && len(r.Args) > 0 && strings.Trim(r.Args[0], "IRT") == "":
		hash := len(r.Want) == 1 && strings.Contains(r.Want[0], " values hashing to ")
		mode := "nosort"
		if len(r.Args) > 1 {
			mode = r.Args[1]
		}
		got, err := o.corpus(r.Args[0], mode, hash)
		if err != nil {
			return err.Error()
		}
		if !r.HasWant {
			return "" // the corpus has queries that must only run
		}
		return x.compare(r, got)
	case r.Kind == Query:
		return x.compare(r, o.exact(x.types, len(r.Args) > 0 && r.Args[0] == "rowsort"))
	}
	lines := o.lines()
	if r.Args[0] == "ok" && o.Err != nil {
		return strings.Join(lines, "\n")
	}
	if r.Args[0] == "error" && o.Err == nil {
		return "succeeded, an error was wanted"
	}
	if r.HasWant || x.Record {
		return x.compare(r, lines)
	}
	if len(r.Args) < 2 {
		return ""
	}
	want := strings.Join(r.Args[1:], " ")
	if want == o.Err.Code {
		return ""
	}
	if re, err := regexp.Compile(want); err != nil || !re.MatchString(o.Err.Message) {
		return fmt.Sprintf("%s\nwanted an error %s", strings.Join(lines, "\n"), want)
	}
	return ""
}

func (x *Runner) compare(r *Record, got []string) string {
	if x.Record {
		r.Want, r.HasWant = got, true
		return ""
	}
	if len(r.Want) == len(got) {
		same := true
		for i := range got {
			same = same && got[i] == r.Want[i]
		}
		if same {
			return ""
		}
	}
	return "got:\n" + strings.Join(got, "\n") + "\nwant:\n" + strings.Join(r.Want, "\n")
}
