// Command quorate is the whole database in one binary: it runs nodes, and steers
// a cluster of them. `quorate demo` starts three nodes to try.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quorate-db/quorate/server"
)

// The exit codes are a contract with scripts.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitDegraded    = 4
	exitTimeout     = 5
	exitRefused     = 6
)

// exitError is an error with its exit code. Fields that are empty are not shown.
type exitError struct {
	code  int
	what  string
	cause string
	try   string
	quiet bool // the answer is printed already
}

func (e *exitError) Error() string {
	var b strings.Builder
	b.WriteString("error: " + e.what)
	if e.cause != "" {
		b.WriteString("\ncause: " + e.cause)
	}
	if e.try != "" {
		b.WriteString("\ntry:   " + e.try)
	}
	return b.String()
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	return report(root.ExecuteContext(ctx))
}

// report prints an error and says with which code to exit.
func report(err error) int {
	if err == nil {
		return exitOK
	}
	var ee *exitError
	if errors.As(err, &ee) {
		if !ee.quiet {
			fmt.Fprintln(os.Stderr, ee.Error())
		}
		return ee.code
	}
	var usage *server.UsageError
	if errors.As(err, &usage) {
		fmt.Fprintln(os.Stderr, (&exitError{what: usage.Message, try: "quorate --help"}).Error())
		return exitUsage
	}
	var uf usageFault
	if errors.As(err, &uf) {
		fmt.Fprintln(os.Stderr, (&exitError{what: err.Error(), try: "quorate --help"}).Error())
		return exitUsage
	}
	fmt.Fprintln(os.Stderr, (&exitError{what: err.Error()}).Error())
	return exitFailed
}

// usageFault marks an error of the command line itself.
type usageFault struct{ error }

type globals struct {
	host    string
	timeout time.Duration
	output  string
	watch   time.Duration // 0: once
	certs   string        // directory
}

func newRoot() *cobra.Command { return newRootOf(&globals{}) }

func newRootOf(g *globals) *cobra.Command {
	root := &cobra.Command{
		Use:           "quorate",
		Short:         "A sharded, replicated SQL database that speaks PostgreSQL",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		PersistentPreRun: func(cmd *cobra.Command, _ []string) { takeTimeout(cmd, g) },
	}
	host := os.Getenv("QUORATE_HOST")
	if host == "" {
		host = "127.0.0.1:7433"
	}
	root.PersistentFlags().StringVar(&g.host, "host", host, "RPC address of any node of the cluster (QUORATE_HOST)")
	root.PersistentFlags().StringVar(&g.certs, "certs-dir", os.Getenv("QUORATE_CERTS_DIR"), "directory of certificates (QUORATE_CERTS_DIR)")
	root.CompletionOptions.DisableDefaultCmd = true // newCompletion
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageFault{err} })
	root.AddCommand(newDemo(), newStart(g), newCert(g), newSQL(g), newStatus(g), newWait(g), newNode(g), newRegion(g), newOperator(g), newScheduler(g), newConfig(g), newTop(g), newCompletion(), newDebug(g), newVersion())
	return root
}

// usageArgs makes a wrong number of arguments a fault of usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageFault{fmt.Errorf("%s: %w", cmd.CommandPath(), err)}
		}
		return nil
	}
}

// group returns a command that only has verbs below it.
func group(use, short string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: usageArgs(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		return usageFault{fmt.Errorf("%s needs a verb: see %s --help", cmd.CommandPath(), cmd.CommandPath())}
	}}
}

func newVersion() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: usageArgs(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		fmt.Fprintln(cmd.OutOrStdout(), "quorate", server.Version)
		return nil
	}}
}

// callFailed turns the failure of a call to a node into the right exit.
func callFailed(host string, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded:
		return &exitError{code: exitTimeout, what: "no answer in time", cause: err.Error(), try: "quorate status says what is wrong; give it longer with --timeout"}
	case status.Code(err) == codes.PermissionDenied:
		return &exitError{code: exitFailed, what: "the node does not allow this", cause: status.Convert(err).Message(), try: "name a directory with client.postgres.crt by --certs-dir"}
	case status.Code(err) == codes.Unavailable && strings.Contains(err.Error(), "server preface"):
		return &exitError{code: exitUnreachable, what: "the node at " + host + " does not speak with this command", cause: status.Convert(err).Message(),
			try: "name the certificates of the cluster with --certs-dir"}
	case status.Code(err) == codes.Unavailable:
		return &exitError{code: exitUnreachable, what: "cannot reach the node at " + host, cause: status.Convert(err).Message(),
			try: "name a live node with --host HOST:PORT (its RPC address)"}
	}
	return err
}
