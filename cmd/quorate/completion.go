package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// shells are those for which there are completions.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion() *cobra.Command {
	return &cobra.Command{
		Use: "completion bash|zsh|fish|powershell", Short: "Print the completion of this command for a shell",
		Long: `Print the completion of this command for a shell. To have it in every session:

  bash        quorate completion bash > /etc/bash_completion.d/quorate
  zsh         quorate completion zsh > "${fpath[1]}/_quorate"
  fish        quorate completion fish > ~/.config/fish/completions/quorate.fish
  powershell  quorate completion powershell >> $PROFILE`,
		ValidArgs: shells, Args: usageArgs(cobra.ExactArgs(1)), DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, w := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(w, true)
			case "zsh":
				return root.GenZshCompletion(w)
			case "fish":
				return root.GenFishCompletion(w, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(w)
			}
			return usageFault{fmt.Errorf("no completion for %q: there are bash, zsh, fish and powershell", args[0])}
		}}
}

// oneOf completes the values of a flag.
func oneOf(cmd *cobra.Command, flag string, values ...string) {
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
