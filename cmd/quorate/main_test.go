package main

import (
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// commands lists the commands below one that do something.
func commands(c *cobra.Command) (out []*cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.HasSubCommands() {
			out = append(out, commands(sub)...)
		} else {
			out = append(out, sub)
		}
	}
	return out
}

// Every command that asks a node gives up after ten seconds unless it waits for
// something, whatever other commands have: each has a default of its own.
func TestEachCommandHasItsOwnTimeout(t *testing.T) {
	g := &globals{}
	root := newRootOf(g)
	waits := map[string]time.Duration{"wait": time.Minute, "check-replicas": 10 * time.Minute, "bundle": 5 * time.Minute, "drain": 5 * time.Minute, "decommission": time.Hour,
		"split": 30 * time.Second, "merge": time.Minute, "transfer-leader": time.Minute, "add-peer": time.Minute, "remove-peer": time.Minute, "move-peer": time.Minute, "scatter": time.Minute}
	n := 0
	for _, c := range commands(root) {
		if c.Flags().Lookup("timeout") == nil {
			continue
		}
		n++
		want := defaultTimeout
		if d := waits[c.Name()]; d != 0 {
			want = d
		}
		takeTimeout(c, g)
		if g.timeout != want {
			t.Errorf("%s gives up after %v, want %v", c.CommandPath(), g.timeout, want)
		}
	}
	if n < 20 {
		t.Errorf("%d commands have --timeout", n)
	}
}

// Every listing and description takes -o, and says what it is for.
func TestEveryCommandSaysWhatItDoes(t *testing.T) {
	for _, c := range commands(newRootOf(&globals{})) {
		if c.Short == "" {
			t.Errorf("%s says nothing of itself", c.CommandPath())
		}
		if n := c.Name(); (n == "ls" || n == "describe") && c.Flags().Lookup("output") == nil {
			t.Errorf("%s has no -o", c.CommandPath())
		}
	}
}
