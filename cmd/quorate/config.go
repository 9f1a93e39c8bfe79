package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

func newConfig(g *globals) *cobra.Command {
	config := group("config", "Settings of the cluster: the same for all nodes, kept by placement")
	ls := &cobra.Command{Use: "ls", Short: "List the settings with their bounds", Args: usageArgs(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		return g.listing(cmd, func(ctx context.Context, cl adminpb.AdminClient, w io.Writer) error {
			list, err := settingsOf(ctx, cl, &placementpb.SettingsRequest{})
			if err != nil {
				return err
			}
			out := []settingJSON{}
			for _, s := range list {
				out = append(out, toSettingJSON(s))
			}
			return show(w, g.output, out, settingsTable(list))
		})
	}}
	listingFlags(ls, g)
	get := &cobra.Command{Use: "get NAME", Short: "Print the value of a setting", Args: usageArgs(cobra.ExactArgs(1)), RunE: func(cmd *cobra.Command, args []string) error {
		return g.listing(cmd, func(ctx context.Context, cl adminpb.AdminClient, w io.Writer) error {
			list, err := settingsOf(ctx, cl, &placementpb.SettingsRequest{})
			if err != nil {
				return err
			}
			s, err := settingNamed(list, args[0])
			if err != nil {
				return err
			}
			return show(w, g.output, toSettingJSON(s), func(w io.Writer, wide bool) {
				if wide {
					settingsTable([]*placementpb.Setting{s})(w, wide)
					return
				}
				fmt.Fprintln(w, s.Value)
			})
		})
	}}
	listingFlags(get, g)
	set := &cobra.Command{Use: "set NAME VALUE", Short: "Choose the value of a setting; the value default follows the default again", Args: usageArgs(cobra.ExactArgs(2)), RunE: func(cmd *cobra.Command, args []string) error {
		return g.call(cmd.Context(), func(ctx context.Context, cl adminpb.AdminClient) error {
			list, err := settingsOf(ctx, cl, &placementpb.SettingsRequest{Name: args[0], Value: args[1]})
			if err != nil {
				return err
			}
			s, err := settingNamed(list, args[0])
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), g.output, toSettingJSON(s), settingsTable([]*placementpb.Setting{s}))
		})
	}}
	outputFlag(set, g)
	timeoutFlag(set, g, defaultTimeout)
	config.AddCommand(ls, get, set)
	return config
}

type settingJSON struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Type    string `json:"type"`
	Default string `json:"default_value"`
	Min     string `json:"min"`
	Max     string `json:"max"`
	Set     bool   `json:"is_set"`
	About   string `json:"about"`
}

func toSettingJSON(s *placementpb.Setting) settingJSON {
	return settingJSON{s.Name, s.Value, s.Type, s.Default, s.Min, s.Max, s.Set, s.About}
}

// settingsOf sends a request. A name or value that cannot be is a fault of usage.
func settingsOf(ctx context.Context, cl adminpb.AdminClient, req *placementpb.SettingsRequest) ([]*placementpb.Setting, error) {
	resp, err := cl.Settings(ctx, req)
	switch {
	case err != nil:
		return nil, err
	case resp.Refused:
		return nil, &exitError{code: exitUsage, what: resp.Error.GetMessage(), try: "quorate config ls"}
	case resp.Error != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case resp.Error != nil:
		return nil, &exitError{code: exitFailed, what: "placement does not answer", cause: resp.Error.Message, try: "quorate status"}
	}
	return resp.Settings, nil
}

func settingNamed(list []*placementpb.Setting, name string) (*placementpb.Setting, error) {
	for _, s := range list {
		if s.Name == name {
			return s, nil
		}
	}
	return nil, &exitError{code: exitUsage, what: fmt.Sprintf("there is no setting %q", name), try: "quorate config ls"}
}

func settingsTable(list []*placementpb.Setting) func(io.Writer, bool) {
	return func(w io.Writer, wide bool) {
		fmt.Fprint(w, "NAME\tVALUE\tDEFAULT\tMIN\tMAX")
		if wide {
			fmt.Fprint(w, "\tTYPE\tSET")
		}
		fmt.Fprintln(w, "\tABOUT")
		for _, s := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s", s.Name, s.Value, s.Default, s.Min, s.Max)
			if wide {
				fmt.Fprintf(w, "\t%s\t%v", s.Type, s.Set)
			}
			fmt.Fprintf(w, "\t%s\n", s.About)
		}
	}
}
