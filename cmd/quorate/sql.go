package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/server/certs"
)

func newSQL(g *globals) *cobra.Command {
	var commands []string
	var file, user, database string
	cmd := &cobra.Command{Use: "sql", Short: "Run SQL: -c, -f, or a simple shell", Args: usageArgs(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		addr, err := g.sqlAddress(ctx)
		if err != nil {
			return err
		}
		if file != "" {
			text, err := readFile(file, cmd.InOrStdin())
			if err != nil {
				return err
			}
			commands = append(commands, text)
		}
		if len(commands) == 0 {
			return g.shell(ctx, addr, user, database, cmd.InOrStdin(), cmd.OutOrStdout())
		}
		if cmd.Flags().Changed("timeout") {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, g.timeout)
			defer cancel()
		}
		conn, err := g.connect(ctx, addr, user, database, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		for _, c := range commands {
			if err := execute(ctx, conn, c, cmd.OutOrStdout()); err != nil {
				return sqlFailed(ctx, err)
			}
		}
		return nil
	}}
	cmd.Flags().StringArrayVarP(&commands, "command", "c", nil, "run this and exit (may be repeated)")
	cmd.Flags().StringVarP(&file, "file", "f", "", "run this file (- for standard input) and exit")
	cmd.Flags().StringVarP(&user, "user", "U", "postgres", "role")
	cmd.Flags().StringVarP(&database, "database", "d", "postgres", "database")
	timeoutFlag(cmd, g, 10*time.Second)
	return cmd
}

func readFile(path string, stdin io.Reader) (string, error) {
	if path == "-" {
		b, err := io.ReadAll(stdin)
		return string(b), err
	}
	b, err := os.ReadFile(path)
	return string(b), err
}

// sqlAddress asks the node of --host where it listens for SQL.
func (g *globals) sqlAddress(ctx context.Context) (addr string, err error) {
	err = g.call(ctx, func(ctx context.Context, cl adminpb.AdminClient) error {
		st, err := cl.Status(ctx, &adminpb.StatusRequest{})
		if err != nil {
			return err
		}
		nodes, err := cl.Nodes(ctx, &adminpb.NodesRequest{})
		if err != nil {
			return err
		}
		for _, n := range nodes.Nodes {
			if n.Store.NodeId == st.NodeId {
				addr = n.Store.SqlAddress
				return nil
			}
		}
		return errors.New("the node does not know its own SQL address yet")
	})
	return addr, err
}

// connect opens a session. With --certs-dir it is encrypted and shows the role's
// certificate; a role without one logs in with a password: PGPASSWORD's, or one that
// is asked for.
func (g *globals) connect(ctx context.Context, addr, user, database string, notices io.Writer) (*pgconn.PgConn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	cfg, err := pgconn.ParseConfig(fmt.Sprintf("host=%s port=%s user=%s dbname=%s sslmode=disable application_name=quorate", host, port, quoteDSN(user), quoteDSN(database)))
	if err != nil {
		return nil, usageFault{err}
	}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { fmt.Fprintf(notices, "%s:  %s\n", n.Severity, n.Message) }
	if g.certs != "" {
		shown, err := certs.Roots(g.certs)
		if certs.HasClient(g.certs, user) {
			shown, err = certs.Client(g.certs, user)
		}
		if err != nil {
			return nil, &exitError{code: exitFailed, what: "cannot use the certificates in " + g.certs, cause: err.Error(), try: "quorate cert status"}
		}
		cfg.TLSConfig = shown.Dial(host)
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) && pe.Code == "28P01" && cfg.Password == "" && term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintf(notices, "Password for user %s: ", user)
		pw, rerr := term.ReadPassword(int(os.Stdin.Fd()))
		fmt.Fprintln(notices)
		if rerr == nil {
			cfg.Password = string(pw)
			conn, err = pgconn.ConnectConfig(ctx, cfg)
		}
	}
	if err != nil {
		var pe *pgconn.PgError
		if errors.As(err, &pe) {
			return nil, &exitError{code: exitFailed, what: pe.Message}
		}
		return nil, &exitError{code: exitUnreachable, what: "cannot reach the SQL port at " + addr, cause: err.Error(), try: "quorate wait --for ready"}
	}
	return conn, nil
}

func quoteDSN(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func sqlFailed(ctx context.Context, err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		e := &exitError{code: exitFailed, what: fmt.Sprintf("%s (SQLSTATE %s)", pe.Message, pe.Code), cause: pe.Detail, try: pe.Hint}
		return e
	}
	if ctx.Err() != nil {
		return &exitError{code: exitTimeout, what: "the statement did not end in time", cause: err.Error()}
	}
	return err
}

// execute runs a string of statements and prints each result as psql does.
func execute(ctx context.Context, conn *pgconn.PgConn, text string, w io.Writer) error {
	mrr := conn.Exec(ctx, text)
	for mrr.NextResult() {
		rr := mrr.ResultReader()
		var rows [][]string
		fields := rr.FieldDescriptions()
		names := make([]string, len(fields))
		for i, f := range fields {
			names[i] = f.Name
		}
		for rr.NextRow() {
			row := make([]string, len(names))
			for i, v := range rr.Values() {
				row[i] = string(v)
			}
			rows = append(rows, row)
		}
		tag, err := rr.Close()
		if err != nil {
			_ = mrr.Close() // reports the same error
			return err
		}
		if len(names) > 0 {
			printRows(w, names, rows)
		} else if s := tag.String(); s != "" {
			fmt.Fprintln(w, s)
		}
	}
	return mrr.Close()
}

func printRows(w io.Writer, names []string, rows [][]string) {
	width := make([]int, len(names))
	for i, n := range names {
		width[i] = utf8.RuneCountInString(n)
	}
	for _, r := range rows {
		for i, v := range r {
			width[i] = max(width[i], utf8.RuneCountInString(v))
		}
	}
	line := func(cells []string) {
		var b strings.Builder
		for i, c := range cells {
			if i > 0 {
				b.WriteString(" |")
			}
			b.WriteString(" " + c + strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)))
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
	line(names)
	var rule []string
	for _, n := range width {
		rule = append(rule, strings.Repeat("-", n+2))
	}
	fmt.Fprintln(w, strings.Join(rule, "+"))
	for _, r := range rows {
		line(r)
	}
	unit := "rows"
	if len(rows) == 1 {
		unit = "row"
	}
	fmt.Fprintf(w, "(%d %s)\n\n", len(rows), unit)
}

// shell reads statements, each ended by a semicolon at the end of a line, until
// \q or the end of the input.
func (g *globals) shell(ctx context.Context, addr, user, database string, in io.Reader, out io.Writer) error {
	conn, err := g.connect(ctx, addr, user, database, out)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	interactive := false
	if f, ok := in.(*os.File); ok {
		interactive = term.IsTerminal(int(f.Fd()))
	}
	lines := make(chan string)
	go func() { // ends with the input; a terminal that gives no more lines ends with the process
		defer close(lines)
		sc := bufio.NewScanner(in)
		sc.Buffer(nil, 64<<20)
		for sc.Scan() {
			select {
			case lines <- sc.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	var buf strings.Builder
	for {
		if interactive {
			prompt := "quorate=> "
			if buf.Len() > 0 {
				prompt = "quorate-> "
			}
			fmt.Fprint(out, prompt)
		}
		var line string
		var ok bool
		select {
		case line, ok = <-lines:
		case <-ctx.Done():
			return nil
		}
		if !ok {
			if strings.TrimSpace(buf.String()) != "" {
				return sqlFailed(ctx, execute(ctx, conn, buf.String(), out))
			}
			return nil
		}
		if t := strings.TrimSpace(line); buf.Len() == 0 && (t == `\q` || t == "quit" || t == "exit") {
			return nil
		}
		buf.WriteString(line + "\n")
		if !strings.HasSuffix(strings.TrimSpace(line), ";") {
			continue
		}
		if err := execute(ctx, conn, buf.String(), out); err != nil {
			if !interactive {
				return sqlFailed(ctx, err)
			}
			fmt.Fprintln(out, sqlFailed(ctx, err))
			if conn.IsClosed() {
				if conn, err = g.connect(ctx, addr, user, database, out); err != nil {
					return err
				}
			}
		}
		buf.Reset()
	}
}
