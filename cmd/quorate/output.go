package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

func outputFlag(cmd *cobra.Command, g *globals) {
	cmd.Flags().StringVarP(&g.output, "output", "o", "table", "table, wide, json or yaml")
	oneOf(cmd, "output", "table", "wide", "json", "yaml")
}

// defaultTimeout is that of every command that does not wait for something.
const defaultTimeout = 10 * time.Second

func timeoutFlag(cmd *cobra.Command, g *globals, d time.Duration) {
	// Each command has its own default, so the flag has a variable of its own:
	// takeTimeout hands it over.
	cmd.Flags().Duration("timeout", d, "give up after this long (exit code 5)")
}

// takeTimeout makes the timeout of the command that runs the one that counts.
func takeTimeout(cmd *cobra.Command, g *globals) {
	if d, err := cmd.Flags().GetDuration("timeout"); err == nil {
		g.timeout = d
	}
}

// show prints v as JSON or YAML, or calls table.
func show(w io.Writer, format string, v any, table func(w io.Writer, wide bool)) error {
	switch format {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	case "yaml":
		b, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	case "table", "wide":
		tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		table(tw, format == "wide")
		return tw.Flush()
	}
	return usageFault{fmt.Errorf("-o %s: there are table, wide, json and yaml", format)}
}

func bytesText(n uint64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%dB", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1fK", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1fM", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1fG", float64(n)/(1<<30))
}
