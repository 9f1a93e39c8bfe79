package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

const (
	topInterval = 2 * time.Second
	// topFirst is between the two looks that give the first rates.
	topFirst = time.Second
	topKept  = 30 // looks that the sparklines remember
	// A frame that nobody's terminal bounds.
	plainColumns, plainLines = 100, 200
)

func newTop(g *globals) *cobra.Command {
	interval := topInterval
	cmd := &cobra.Command{Use: "top", Short: "Watch the cluster: nodes, hot regions, operators (plain and once, if stdout is no terminal)", Args: usageArgs(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		if interval < watchMin {
			return usageFault{fmt.Errorf("--interval %v: at least %v", interval, watchMin)}
		}
		t := &top{view: viewNodes, before: map[uint64]counters{}}
		if !onTerminal(cmd.OutOrStdout()) || !term.IsTerminal(int(os.Stdin.Fd())) {
			return t.once(cmd.Context(), g, cmd.OutOrStdout())
		}
		return t.live(cmd.Context(), g, interval, os.Stdin, os.Stdout)
	}}
	cmd.Flags().DurationVar(&interval, "interval", topInterval, "time between two looks")
	timeoutFlag(cmd, g, defaultTimeout)
	return cmd
}

// The views of the live display.
const (
	viewNodes = iota + 1
	viewRegions
	viewOperators
)

// topLook is what one look at the cluster shows.
type topLook struct {
	at        time.Time
	status    *adminpb.StatusResponse
	nodes     []*adminpb.DescribeNodeResponse
	regions   []*adminpb.MapRegion
	period    uint32 // of the regions' rates, in ms
	operators []*placementpb.Operator
}

type counters map[string]uint64

// top turns looks into frames. The zero value with a view and a map is ready to use.
type top struct {
	view   int
	paused bool
	failed string // why the last look failed
	last   *topLook
	took   float64             // seconds from the look before to the last one
	before map[uint64]counters // by node, of the look before
	now    map[uint64]counters
	txns   []float64 // per second of the whole cluster, newest first
}

// look asks the cluster.
func look(ctx context.Context, cl adminpb.AdminClient) (*topLook, error) {
	l := &topLook{at: time.Now()}
	var err error
	if l.status, err = cl.Status(ctx, &adminpb.StatusRequest{Detail: true}); err != nil {
		return nil, err
	}
	nodes, err := cl.Nodes(ctx, &adminpb.NodesRequest{})
	if err != nil {
		return nil, err
	}
	for _, n := range nodes.Nodes {
		if n.Store.State == metapb.StoreState_REMOVED {
			continue
		}
		d, err := cl.DescribeNode(ctx, &adminpb.DescribeNodeRequest{NodeId: n.Store.NodeId})
		if err != nil {
			return nil, err
		}
		l.nodes = append(l.nodes, d)
	}
	m, err := cl.RegionMap(ctx, &adminpb.RegionsRequest{})
	if err != nil {
		return nil, err
	}
	l.regions, l.period = m.Regions, m.RatePeriodMs
	slices.SortStableFunc(l.regions, func(a, b *adminpb.MapRegion) int { return cmp.Compare(rateOf(b), rateOf(a)) })
	ops, err := cl.Operators(ctx, &placementpb.OperatorsRequest{History: true})
	if err != nil {
		return nil, err
	}
	l.operators = ops.Operators
	return l, nil
}

func rateOf(m *adminpb.MapRegion) float64 {
	if len(m.WritesPerSecond) == 0 {
		return 0
	}
	return m.WritesPerSecond[0]
}

// take makes a look the newest one.
func (t *top) take(l *topLook) {
	now := map[uint64]counters{}
	for _, n := range l.nodes {
		if n.Here == nil {
			continue
		}
		c := counters{}
		for _, v := range n.Here.Counters {
			c[v.Name] = v.Value
		}
		now[n.Node.Store.NodeId] = c
	}
	if t.last != nil {
		t.took = l.at.Sub(t.last.at).Seconds()
		t.before = t.now
	}
	t.last, t.now, t.failed = l, now, ""
	if t.took > 0 {
		sum := 0.0
		for id := range now {
			sum += t.rate(id, transactionCounters...)
		}
		t.txns = append([]float64{sum}, t.txns[:min(len(t.txns), topKept-1)]...)
	}
}

var transactionCounters = []string{"transactions_one_phase", "transactions_async", "transactions_two_phase"}

// rate is by how much counters of a node grew per second since the look before.
func (t *top) rate(node uint64, names ...string) float64 {
	was, ok := t.before[node]
	if !ok || t.took <= 0 {
		return 0
	}
	sum := 0.0
	for _, name := range names {
		if now := t.now[node][name]; now > was[name] { // a restart begins at zero
			sum += float64(now - was[name])
		}
	}
	return sum / t.took
}

// frame draws what is known into at most the given columns and lines.
func (t *top) frame(columns, lines int) []string {
	var out []string
	add := func(draw func(w io.Writer)) {
		var b strings.Builder
		tw := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
		draw(tw)
		_ = tw.Flush() // into memory
		out = append(out, strings.Split(strings.TrimRight(b.String(), "\n"), "\n")...)
	}
	if t.last == nil {
		return []string{clipText("waiting for the first answer… "+t.failed, columns)}
	}
	add(t.header)
	out = append(out, "")
	switch t.view {
	case viewRegions:
		add(t.regionsView)
	case viewOperators:
		add(t.operatorsView)
	default:
		add(t.nodesView)
	}
	if len(out) > lines {
		out = append(out[:max(lines-1, 0)], "…")
	}
	for i := range out {
		out[i] = clipText(out[i], columns)
	}
	return out
}

func (t *top) header(w io.Writer) {
	st := t.last.status
	state := "healthy"
	if n := len(st.Problems); n > 0 {
		state = fmt.Sprintf("DEGRADED (%d problems)", n)
	}
	fmt.Fprintf(w, "cluster %016x  %s  seen from node %d at %s\n", st.ClusterId, state, st.NodeId, t.last.at.Format(time.TimeOnly))
	fmt.Fprintf(w, "%d of %d nodes live   %d regions, %s   %d operators   survives the loss of %s\n", st.NodesLive, st.NodesTotal, st.Regions, bytesText(st.SizeBytes), st.OperatorsRunning, survivesText(st.SurvivesNodes))
	rate := "-"
	if len(t.txns) > 0 {
		rate = rateText(t.txns[0])
	}
	fmt.Fprintf(w, "transactions/s %s   %s\n", rate, heatText(t.txns, maxOf(t.txns)))
	if t.failed != "" {
		fmt.Fprintf(w, "!  %s\n", t.failed)
	}
	for _, p := range st.Problems[:min(len(st.Problems), 2)] {
		fmt.Fprintf(w, "!  %s: %s\n", p.What, p.Try)
	}
}

func (t *top) nodesView(w io.Writer) {
	fmt.Fprintln(w, "NODE\tSTATE\tLEADERS\tREPLICAS\tDISK\tMEMORY\tSESSIONS\tTXN/S\tCONFL/S\tREADS/S\tSYNCS/S")
	for _, n := range t.last.nodes {
		id := n.Node.Store.NodeId
		fmt.Fprintf(w, "%d\t%s\t%d\t%d", id, stateText(n.Node), n.Node.Leaders, n.Node.Replicas)
		h := n.Here
		if h == nil {
			fmt.Fprintln(w, "\t-\t-\t-\t-\t-\t-\t-")
			continue
		}
		disk := "-"
		if h.CapacityBytes > 0 {
			disk = fmt.Sprintf("%.0f %%", 100-100*float64(h.AvailableBytes)/float64(h.CapacityBytes))
		}
		fmt.Fprintf(w, "\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", disk, bytesText(h.MemoryBytes), h.Sessions, rateText(t.rate(id, transactionCounters...)),
			rateText(t.rate(id, "transaction_conflicts")), rateText(t.rate(id, "lease_reads", "read_index_reads")), rateText(t.rate(id, "log_syncs")))
	}
}

func (t *top) regionsView(w io.Writer) {
	hottest := 0.0
	for _, m := range t.last.regions {
		hottest = max(hottest, maxOf(m.WritesPerSecond))
	}
	fmt.Fprintln(w, "REGION\tSTART\tLEADER\tSIZE\tWR/S\tHEAT")
	for _, m := range t.last.regions {
		leader, rate := "-", "-"
		if m.Info.LeaderNode != 0 {
			leader = fmt.Sprint(m.Info.LeaderNode)
		}
		if m.RatesKnown {
			rate = rateText(rateOf(m))
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", m.Info.Region.Id, clipText(m.Info.Start, keyWidth), leader, bytesText(m.Info.SizeBytes), rate, heatText(m.WritesPerSecond, hottest))
	}
}

func (t *top) operatorsView(w io.Writer) {
	fmt.Fprintln(w, "BEGAN\tREGION\tKIND\tDETAIL\tSTATE\tREASON")
	for _, o := range slices.Backward(t.last.operators) {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", clockText(o.CreatedUnixMs), o.RegionId, o.Kind, o.Detail, o.State, o.Reason)
	}
}

// once prints all views, with rates of one second.
func (t *top) once(ctx context.Context, g *globals, w io.Writer) error {
	for i := range 2 {
		if i > 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(topFirst):
			}
		}
		err := g.call(ctx, func(ctx context.Context, cl adminpb.AdminClient) error {
			l, err := look(ctx, cl)
			if err == nil {
				t.take(l)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for i, view := range []int{viewNodes, viewRegions, viewOperators} {
		t.view = view
		lines := t.frame(plainColumns, plainLines)
		if i > 0 { // the header once
			lines = lines[slices.Index(lines, ""):]
		}
		if _, err := fmt.Fprintln(w, strings.Join(lines, "\n")); err != nil {
			return err
		}
	}
	return nil
}

const (
	altScreen  = "\x1b[?1049h\x1b[?25l"
	mainScreen = "\x1b[?25h\x1b[?1049l"
	keysText   = "1 nodes  2 hot regions  3 operators  p pause  q quit"
)

// live redraws until q or an interrupt.
func (t *top) live(ctx context.Context, g *globals, interval time.Duration, in, out *os.File) error {
	cl, done, err := g.dial()
	if err != nil {
		return err
	}
	defer done()
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("take the terminal: %w", err)
	}
	defer func() { _ = term.Restore(int(in.Fd()), old) }() // the terminal is all there is to tell
	fmt.Fprint(out, altScreen)
	defer fmt.Fprint(out, mainScreen)
	pressed := make(chan byte)
	go func() { // ends with the process: a read of a terminal cannot be given up
		b := make([]byte, 1)
		for {
			if n, err := in.Read(b); err != nil || n == 0 {
				close(pressed)
				return
			}
			pressed <- b[0]
		}
	}()
	wait := time.NewTimer(0)
	defer wait.Stop()
	for first := true; ; {
		select {
		case <-ctx.Done():
			return nil
		case key, ok := <-pressed:
			if !ok || t.press(key) {
				return nil
			}
		case <-wait.C:
			if !t.paused {
				t.ask(ctx, g.timeout, cl)
			}
			next := interval
			if first {
				next, first = topFirst, false
			}
			wait.Reset(next)
		}
		t.draw(out)
	}
}

func (t *top) ask(ctx context.Context, timeout time.Duration, cl adminpb.AdminClient) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	l, err := look(ctx, cl)
	if err != nil {
		t.failed = err.Error()
		return
	}
	t.take(l)
}

// press reacts to a key and reports whether it ends the display.
func (t *top) press(key byte) (end bool) {
	switch key {
	case 'q', 'Q', 3: // and Ctrl-C, which is a byte in raw mode
		return true
	case 'p':
		t.paused = !t.paused
	case '1', '2', '3':
		t.view = int(key - '0')
	}
	return false
}

func (t *top) draw(out *os.File) {
	columns, lines, err := term.GetSize(int(out.Fd()))
	if err != nil || columns < 1 || lines < 2 {
		columns, lines = 80, 24
	}
	foot := keysText
	if t.paused {
		foot = "PAUSED   " + foot
	}
	frame := t.frame(columns, lines-2)
	for len(frame) < lines-1 {
		frame = append(frame, "")
	}
	fmt.Fprint(out, "\x1b[H"+strings.Join(append(frame, clipText(foot, columns)), "\x1b[K\r\n")+"\x1b[K\x1b[J")
}
