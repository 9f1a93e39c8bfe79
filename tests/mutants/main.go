package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	only := flag.String("only", "", "run the mutants whose name matches this pattern")
	slice := flag.Duration("slice", 0, "run as many as fit into this time, each day others; 0: all")
	timeout := flag.Duration("timeout", 5*time.Minute, "of one test")
	baseline := flag.Bool("baseline", true, "demand that the killers pass without the mutants; not in a slice")
	show := flag.Bool("list", false, "print the table and run nothing")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	list, err := choose(*only, *slice > 0, time.Now())
	if err == nil && *show {
		table(list, nil)
		return
	}
	if err == nil {
		err = runAll(ctx, list, *slice, *timeout, *baseline && *slice == 0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// perDay is by how much a slice moves on each day: about as many as fit into a minute.
const perDay = 5

// choose returns the mutants to run, in the order in which they are run.
func choose(only string, rotate bool, now time.Time) ([]mutant, error) {
	re, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	var list []mutant
	for _, m := range registry() {
		if re.MatchString(m.name) {
			list = append(list, m)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no mutant is called %q", only)
	}
	if rotate {
		at := now.YearDay() * perDay % len(list)
		list = append(list[at:len(list):len(list)], list[:at]...)
	}
	return list, nil
}

func runAll(ctx context.Context, list []mutant, slice, timeout time.Duration, baseline bool) error {
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return fmt.Errorf("not at the root of the project: %w", err)
	}
	r := &runner{root: root, timeout: timeout}
	begun := time.Now()
	var done []mutant
	var outcomes []outcome
	bad := 0
	for i := range list {
		m := &list[i]
		if slice > 0 && i > 0 && time.Since(begun) > slice {
			break
		}
		o, err := r.run(ctx, m)
		if err == nil && o.killed && baseline {
			err = r.baseline(ctx, m.by, o)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			bad++
			o = outcome{how: "ERROR: " + err.Error(), took: o.took}
			fmt.Printf("error    %s: %v\n", m.name, err)
		case !o.killed:
			bad++
			fmt.Printf("SURVIVED %s: %v does not notice (%.0f s)\n", m.name, m.by, o.took.Seconds())
		default:
			fmt.Printf("killed   %s (%.0f s)\n", m.name, o.took.Seconds())
		}
		done, outcomes = append(done, *m), append(outcomes, o)
	}
	fmt.Println()
	table(done, outcomes)
	fmt.Printf("\n%d of %d mutants were run in %.0f s, %d were killed\n", len(done), len(registry()), time.Since(begun).Seconds(), len(done)-bad)
	if bad > 0 {
		return errors.New("the suite does not notice every mistake")
	}
	return nil
}

// table prints what each mutant breaks and, if it was run, what killed it.
func table(list []mutant, outcomes []outcome) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintln(w, "mutant\tbreaks\tkilled by\tseed\ttime\tbecause")
	for i, m := range list {
		var o outcome
		if outcomes != nil {
			o = outcomes[i]
		}
		by, took := m.by.String(), ""
		if outcomes != nil {
			took = fmt.Sprintf("%.1f s", o.took.Seconds())
			if !o.killed {
				by = "-"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", m.name, m.breaks, by, o.seed, took, short(o.how))
	}
}

func short(s string) string {
	const most = 110
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
