package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/quorate-db/quorate/proto/adminpb"
)

const (
	// watchMin bounds how often a listing is asked for.
	watchMin     = 200 * time.Millisecond
	watchDefault = "2s"
	// clearScreen goes to the top left and clears what is below.
	clearScreen = "\x1b[H\x1b[2J"
)

// listingFlags are what every listing takes.
func listingFlags(cmd *cobra.Command, g *globals) {
	outputFlag(cmd, g)
	timeoutFlag(cmd, g, defaultTimeout)
	cmd.Flags().DurationVar(&g.watch, "watch", 0, "show it again every so often, until interrupted")
	cmd.Flags().Lookup("watch").NoOptDefVal = watchDefault
}

// listing calls the node and lets f print the answer, again and again with --watch: in
// place on a terminal, one after the other elsewhere. What fails meanwhile is shown and
// tried again.
func (g *globals) listing(cmd *cobra.Command, f func(context.Context, adminpb.AdminClient, io.Writer) error) error {
	out := cmd.OutOrStdout()
	once := func(w io.Writer) error {
		return g.call(cmd.Context(), func(ctx context.Context, cl adminpb.AdminClient) error { return f(ctx, cl, w) })
	}
	if g.watch == 0 {
		return once(out)
	}
	if g.watch < watchMin {
		return usageFault{fmt.Errorf("--watch=%v: at least %v", g.watch, watchMin)}
	}
	for first := true; ; first = false {
		var b bytes.Buffer
		err := once(&b)
		if cmd.Context().Err() != nil {
			return nil
		}
		var uf usageFault
		if errors.As(err, &uf) {
			return err
		}
		var ee *exitError
		if err != nil && !(errors.As(err, &ee) && ee.quiet) {
			fmt.Fprintln(&b, err)
		}
		switch {
		case onTerminal(out):
			fmt.Fprint(out, clearScreen)
		case !first:
			fmt.Fprintln(out)
		}
		if _, err := out.Write(b.Bytes()); err != nil {
			return nil // nobody reads any more
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-time.After(g.watch):
		}
	}
}

// onTerminal reports whether w is one.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
