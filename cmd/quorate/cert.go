package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/server/certs"
)

// certificates loads what the command line shows to nodes; nil without --certs-dir.
func (g *globals) certificates(role string) (*certs.Store, error) {
	if g.certs == "" {
		return nil, nil
	}
	c, err := certs.Client(g.certs, role)
	if err != nil {
		return nil, &exitError{code: exitFailed, what: "cannot use the certificates in " + g.certs, cause: err.Error(), try: "quorate cert create-client " + role}
	}
	return c, nil
}

func newCert(g *globals) *cobra.Command {
	cmd := group("cert", "Make certificates for nodes and clients, and look at them")
	cmd.AddCommand(newCreateCA(g), newCreateNode(g), newCreateClient(g), newCertStatus(g))
	return cmd
}

// certsDir is the directory that the commands below work in.
func (g *globals) certsDir() (string, error) {
	if g.certs == "" {
		return "", usageFault{fmt.Errorf("say with --certs-dir where the certificates are")}
	}
	return g.certs, nil
}

func caKeyFlag(cmd *cobra.Command, key *string) {
	cmd.Flags().StringVar(key, "ca-key", "", "file of the CA's key (default: ca.key in --certs-dir)")
}

func caKey(dir, key string) string {
	if key == "" {
		return filepath.Join(dir, "ca.key")
	}
	return key
}

// made reports what was written and what to do next.
func made(w io.Writer, err error, next string, files ...string) error {
	if err != nil {
		return &exitError{code: exitFailed, what: err.Error()}
	}
	fmt.Fprintf(w, "wrote %s\n%s\n", strings.Join(files, ", "), next)
	return nil
}

func newCreateCA(g *globals) *cobra.Command {
	var key string
	cmd := &cobra.Command{Use: "create-ca", Short: "Make the authority that signs all certificates of a cluster", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := g.certsDir()
			if err != nil {
				return err
			}
			err = certs.CreateCA(dir, caKey(dir, key), env.SystemClock().Now())
			return made(cmd.OutOrStdout(), err, "next: quorate cert create-node HOST…, for each node; keep the key away from nodes", filepath.Join(dir, "ca.crt"), caKey(dir, key))
		}}
	caKeyFlag(cmd, &key)
	return cmd
}

func newCreateNode(g *globals) *cobra.Command {
	var key string
	var overwrite bool
	cmd := &cobra.Command{Use: "create-node HOST…", Short: "Make a node's certificate, for the names and addresses it is reached by", Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, hosts []string) error {
			dir, err := g.certsDir()
			if err != nil {
				return err
			}
			err = certs.CreateNode(dir, caKey(dir, key), hosts, env.SystemClock().Now(), overwrite)
			return made(cmd.OutOrStdout(), err, "next: quorate start --certs-dir "+dir+" …, with ca.crt, node.crt and node.key on the node", filepath.Join(dir, "node.crt"), filepath.Join(dir, "node.key"))
		}}
	caKeyFlag(cmd, &key)
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace the certificate that is there; a running node takes the new one by itself")
	return cmd
}

func newCreateClient(g *globals) *cobra.Command {
	var key string
	var overwrite bool
	cmd := &cobra.Command{Use: "create-client ROLE", Short: "Make a certificate that logs in as a role; that of postgres also steers the cluster", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := g.certsDir()
			if err != nil {
				return err
			}
			base := filepath.Join(dir, "client."+args[0])
			err = certs.CreateClient(dir, caKey(dir, key), args[0], env.SystemClock().Now(), overwrite)
			return made(cmd.OutOrStdout(), err, fmt.Sprintf("next: psql \"sslmode=verify-full sslrootcert=%s sslcert=%s.crt sslkey=%s.key user=%s dbname=postgres host=… port=…\"",
				filepath.Join(dir, "ca.crt"), base, base, args[0]), base+".crt", base+".key")
		}}
	caKeyFlag(cmd, &key)
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace the certificate that is there")
	return cmd
}

func newCertStatus(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "status", Short: "List the certificates of --certs-dir, for whom they are and until when", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := g.certsDir()
			if err != nil {
				return err
			}
			now := env.SystemClock().Now()
			list, err := certs.List(dir, now)
			if err != nil {
				return &exitError{code: exitFailed, what: err.Error(), try: "quorate cert create-ca"}
			}
			type row struct {
				File    string   `json:"file"`
				Name    string   `json:"name"`
				Hosts   []string `json:"hosts"`
				Expires string   `json:"expires"`
				Days    int      `json:"days_left"`
				Problem string   `json:"problem,omitempty"`
			}
			rows, bad := []row{}, false
			for _, c := range list {
				r := row{File: c.File, Name: c.Name, Hosts: append([]string{}, c.Hosts...), Expires: c.Expires.UTC().Format(time.RFC3339), Days: int(c.Expires.Sub(now).Hours() / 24), Problem: c.Problem}
				bad = bad || r.Problem != ""
				rows = append(rows, r)
			}
			err = show(cmd.OutOrStdout(), g.output, rows, func(w io.Writer, _ bool) {
				fmt.Fprintln(w, "FILE\tFOR\tHOSTS\tEXPIRES\tDAYS\tPROBLEM")
				for _, r := range rows {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", r.File, r.Name, strings.Join(r.Hosts, ","), r.Expires, r.Days, r.Problem)
				}
			})
			if err == nil && bad {
				err = &exitError{code: exitDegraded, quiet: true}
			}
			return err
		}}
	outputFlag(cmd, g)
	return cmd
}
