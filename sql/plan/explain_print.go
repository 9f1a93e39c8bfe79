package plan

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Explain prints a plan in the shape of PostgreSQL's EXPLAIN, one string per line.
// Names of node types are PostgreSQL's where there is one.
func Explain(p *Plan, o ExplainOptions) []string {
	e := newExplainer(o)
	pr := &textPrinter{e: e}
	pr.node(e.tree(p), 0)
	if o.Summary {
		pr.line(0, fmt.Sprintf("Planning Time: %s ms", millis(o.Planning)))
		if o.Actual != nil {
			pr.line(0, fmt.Sprintf("Execution Time: %s ms", millis(o.Execution)))
		}
	}
	return pr.lines
}

type textPrinter struct {
	e     *explainer
	lines []string
}

func (p *textPrinter) line(indent int, s string) {
	p.lines = append(p.lines, strings.Repeat(" ", indent)+s)
}

// node prints a node, indented and behind an arrow but for the topmost.
func (p *textPrinter) node(x *explained, indent int) {
	pad := 2
	if indent == 0 {
		p.line(0, x.title+p.figures(x))
	} else {
		p.line(indent, "->  "+x.title+p.figures(x))
		pad = indent + 6
	}
	if len(x.output) > 0 {
		p.line(pad, "Output: "+strings.Join(x.output, ", "))
	}
	a := p.e.o.Actual[x.node]
	for _, d := range x.details {
		switch v := d.value.(type) {
		case []string:
			p.line(pad, d.label+": "+strings.Join(v, ", "))
		default:
			p.line(pad, fmt.Sprintf("%s: %v", d.label, v))
		}
		if a != nil && a.Removed > 0 && (d.label == "Filter" || d.label == "Join Filter") {
			p.line(pad, fmt.Sprintf("Rows Removed by %s: %d", d.label, perLoop(a.Removed, a.Loops)))
		}
	}
	if p.e.o.Buffers && a != nil && a.Requests > 0 {
		p.line(pad, fmt.Sprintf("Buffers: shared read=%d", a.Requests))
	}
	for _, in := range x.plans {
		at := pad
		if in.sub != "" {
			p.line(pad, in.sub)
			at += 2
		}
		p.node(in, at)
	}
}

// figures are the estimates and measurements behind a node's title.
func (p *textPrinter) figures(x *explained) string {
	s, o := "", p.e.o
	if o.Costs {
		c := p.e.est.of(x.node)
		s = fmt.Sprintf("  (cost=%.2f..%.2f rows=%.0f width=%d)", c.Startup, c.Total, rounded(c.Rows), c.Width)
	}
	if o.Actual == nil {
		return s
	}
	a := o.Actual[x.node]
	switch {
	case a == nil || a.Loops == 0:
		return s + " (never executed)"
	case o.Timing:
		return s + fmt.Sprintf(" (actual time=%s..%s rows=%d loops=%d)",
			millis(a.Startup/time.Duration(a.Loops)), millis(a.Total/time.Duration(a.Loops)), perLoop(a.Rows, a.Loops), a.Loops)
	}
	return s + fmt.Sprintf(" (actual rows=%d loops=%d)", perLoop(a.Rows, a.Loops), a.Loops)
}

// rounded is an estimate of rows as it is shown: at least one.
func rounded(rows float64) float64 { return max(1, math.Round(rows)) }

func perLoop(n, loops int64) int64 {
	return int64(math.Round(float64(n) / float64(max(loops, 1))))
}

func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

// ExplainJSON prints a plan as EXPLAIN (FORMAT JSON) does.
func ExplainJSON(p *Plan, o ExplainOptions) (string, error) {
	e := newExplainer(o)
	top := object{{"Plan", jsonNode(e, e.tree(p))}}
	if o.Summary {
		top = append(top, prop{"Planning Time", jsonNumber(millis(o.Planning))})
		if o.Actual != nil {
			top = append(top, prop{"Triggers", []string{}}, prop{"Execution Time", jsonNumber(millis(o.Execution))})
		}
	}
	b, err := json.MarshalIndent([]object{top}, "", "  ")
	return string(b), err
}

// jsonNumber is a JSON number with the digits that it was given.
func jsonNumber(s string) json.Number { return json.Number(s) }

// object is a JSON object whose members keep their order.
type object []prop

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, p := range o {
		if i > 0 {
			b = append(b, ',')
		}
		key, err := json.Marshal(p.label)
		if err != nil {
			return nil, err
		}
		val, err := json.Marshal(p.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, key...), ':'), val...)
	}
	return append(b, '}'), nil
}

func jsonNode(e *explainer, x *explained) object {
	o := object{{"Node Type", x.kind}}
	if x.relation != "" {
		o = append(o, prop{"Parent Relationship", x.relation})
	}
	if x.sub != "" {
		o = append(o, prop{"Subplan Name", x.sub})
	}
	o = append(o, prop{"Parallel Aware", false}, prop{"Async Capable", false})
	o = append(o, x.head...)
	if e.o.Costs {
		c := e.est.of(x.node)
		o = append(o, prop{"Startup Cost", jsonNumber(fmt.Sprintf("%.2f", c.Startup))}, prop{"Total Cost", jsonNumber(fmt.Sprintf("%.2f", c.Total))},
			prop{"Plan Rows", int64(rounded(c.Rows))}, prop{"Plan Width", c.Width})
	}
	a := e.o.Actual[x.node]
	if e.o.Actual != nil {
		if a == nil {
			a = &Actual{}
		}
		loops := time.Duration(max(a.Loops, 1))
		if e.o.Timing {
			o = append(o, prop{"Actual Startup Time", jsonNumber(millis(a.Startup / loops))}, prop{"Actual Total Time", jsonNumber(millis(a.Total / loops))})
		}
		o = append(o, prop{"Actual Rows", perLoop(a.Rows, a.Loops)}, prop{"Actual Loops", a.Loops})
	}
	if x.output != nil {
		o = append(o, prop{"Output", x.output})
	}
	for _, d := range x.details {
		o = append(o, d)
		if a != nil && (d.label == "Filter" || d.label == "Join Filter") {
			o = append(o, prop{"Rows Removed by " + d.label, perLoop(a.Removed, a.Loops)})
		}
	}
	if e.o.Buffers && a != nil {
		o = append(o, prop{"Shared Hit Blocks", 0}, prop{"Shared Read Blocks", a.Requests}, prop{"Shared Dirtied Blocks", 0}, prop{"Shared Written Blocks", 0})
	}
	if len(x.plans) > 0 {
		plans := make([]object, len(x.plans))
		for i, in := range x.plans {
			plans[i] = jsonNode(e, in)
		}
		o = append(o, prop{"Plans", plans})
	}
	return o
}
