package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// StartStandby copies the primary into a directory below dir and starts a server on
// the copy that follows the primary under the given name. The caller removes dir.
func StartStandby(ctx context.Context, bin, dir string, primary *Server, name string, settings ...string) (*Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	as, err := serverUser(dir)
	if err != nil {
		return nil, err
	}
	copying := exec.CommandContext(ctx, filepath.Join(bin, "pg_basebackup"), "-D", filepath.Join(dir, "data"), "-d", primary.DSN, "-R", "-X", "stream", "-c", "fast")
	copying.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	copying.Dir = dir
	if out, err := copying.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w\n%s", err, out)
	}
	settings = append(settings, fmt.Sprintf("primary_conninfo=%s application_name=%s", primary.DSN, name))
	return start(ctx, bin, dir, as, settings)
}

// Synchronous makes every commit of the primary wait until one of the named
// standbys has it on its disk, and returns when all of them follow.
func Synchronous(ctx context.Context, primary *Server, names ...string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, primary.DSN)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	list := ""
	for i, n := range names {
		if i > 0 {
			list += ", "
		}
		list += pgx.Identifier{n}.Sanitize()
	}
	for _, q := range []string{"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (" + list + ")'", "SELECT pg_reload_conf()"} {
		if _, err := conn.Exec(ctx, q, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	for {
		var n int
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'quorum'").Scan(&n)
		if err != nil || n == len(names) {
			return err
		}
		t := time.NewTimer(50 * time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d standbys follow: %w", n, len(names), ctx.Err())
		}
	}
}
