package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

func newRegionWhy(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "why ID", Short: "Say why a region is where it is and as it is, and what would change it", Args: usageArgs(cobra.ExactArgs(1)), RunE: func(cmd *cobra.Command, args []string) error {
		id, err := regionID(args[0])
		if err != nil {
			return err
		}
		return g.listing(cmd, func(ctx context.Context, cl adminpb.AdminClient, w io.Writer) error {
			resp, err := cl.WhyRegion(ctx, &adminpb.WhyRegionRequest{RegionId: id})
			if err != nil {
				return err
			}
			if resp.Error != "" {
				return &exitError{code: exitFailed, what: resp.Error, try: "quorate region ls"}
			}
			return show(w, g.output, whyJSON(resp), func(w io.Writer, _ bool) { whyText(w, resp) })
		})
	}}
	listingFlags(cmd, g)
	return cmd
}

type verdictJSON struct {
	Checker string `json:"checker"`
	State   string `json:"state"` // plans, content, waits, blocked, paused
	Why     string `json:"why"`
	Try     string `json:"try,omitempty"`
}

func whyJSON(r *adminpb.WhyRegionResponse) any {
	verdicts := []verdictJSON{}
	for _, v := range r.Explain.GetVerdicts() {
		verdicts = append(verdicts, verdictJSON{v.Checker, v.State, v.Why, v.Try})
	}
	return struct {
		describedJSON
		Verdicts    []verdictJSON `json:"verdicts"`
		Unexplained string        `json:"unexplained,omitempty"`
		Next        string        `json:"next"`
	}{describeJSON(r.Region), verdicts, r.Unexplained, nextCommand(r)}
}

func whyText(w io.Writer, r *adminpb.WhyRegionResponse) {
	d := r.Region
	fmt.Fprintf(w, "region %d\t[%s, %s)\t%s\n", d.Region.Region.Id, d.Region.Start, d.Region.End, tablesText(d.Region.Tables))
	fmt.Fprintf(w, "leader\t%s\n", whyLeader(r))
	fmt.Fprintf(w, "replicas\t%s\n", peersText(d))
	if r.Explain == nil {
		fmt.Fprintf(w, "\nplacement does not answer, so what it makes of the region is not known: %s\n", r.Unexplained)
	} else {
		fmt.Fprintln(w, "\nCHECKER\tSAYS\tBECAUSE")
		for _, v := range r.Explain.Verdicts {
			fmt.Fprintf(w, "%s\t%s\t%s\n", v.Checker, v.State, v.Why)
		}
	}
	historyText(w, d)
	for _, a := range d.Advice {
		fmt.Fprintf(w, "\nadvice: %s\n", a)
	}
	fmt.Fprintf(w, "\nnext: %s\n", nextCommand(r))
}

// whyLeader says who leads, since when, and why.
func whyLeader(r *adminpb.WhyRegionResponse) string {
	d := r.Region
	if d.Region.LeaderNode == 0 {
		return "nobody is known to lead it"
	}
	text := fmt.Sprintf("node %d, term %d", d.Region.LeaderNode, d.Term)
	if d.LeadsSinceUnixMs > 0 {
		text += ", since " + clockText(d.LeadsSinceUnixMs)
	}
	switch {
	case d.LeaderWhy != "":
		text += ": " + d.LeaderWhy
	case r.Explain != nil:
		text += fmt.Sprintf(": it led already when placement's leader, node %d, took over at %s", r.Explain.PlacementStore, clockText(r.Explain.KnownSinceUnixMs))
	}
	if !d.Lease {
		text += "; it holds no lease now"
	}
	return text
}

func peersText(d *adminpb.DescribeRegionResponse) string {
	text := ""
	for i, rep := range d.Replicas {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("node %d %s", rep.NodeId, roleOf(d, rep.PeerId))
		switch {
		case rep.Unreachable:
			text += " (away)"
		case lag(d, rep) > 0:
			text += fmt.Sprintf(" (%d entries behind)", lag(d, rep))
		}
	}
	return text
}

// nextCommand is what to run next: what the checker in the worst state says, else a
// closer look.
func nextCommand(r *adminpb.WhyRegionResponse) string {
	verdicts := r.Explain.GetVerdicts()
	for _, state := range []string{"blocked", "paused", "waits"} {
		i := slices.IndexFunc(verdicts, func(v *placementpb.Verdict) bool { return v.State == state && v.Try != "" })
		if i >= 0 {
			return verdicts[i].Try
		}
	}
	if r.Explain == nil {
		return "quorate status"
	}
	for _, v := range verdicts {
		if v.Checker == "merge-checker" && v.Try != "" {
			return v.Try + " (if it should not be kept apart)"
		}
	}
	return fmt.Sprintf("nothing is to be done; quorate region describe %d", r.Region.Region.Region.Id)
}
