package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// postgresBin is the folder of PostgreSQL 15's programs.
func postgresBin() (string, error) {
	if _, err := exec.LookPath("pgbench"); err != nil {
		return "", errors.New("pgbench is not installed (Debian: apt-get install postgresql-15)")
	}
	const debian = "/usr/lib/postgresql/15/bin"
	if _, err := os.Stat(filepath.Join(debian, "initdb")); err == nil {
		return debian, nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("PostgreSQL 15 is not installed (Debian: apt-get install postgresql-15)")
	}
	return filepath.Dir(path), nil
}

// postgres is a server of our own with its default settings: fsync is on.
type postgres struct {
	server  *cluster.Process
	dsn     string
	version string
}

func (p *postgres) pid() int { return p.server.PID() }

func startPostgres(ctx context.Context, bin, dir string) (*postgres, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	as, err := serverUser(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C")
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	initdb.Dir = dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	cmd.Dir = dir
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	cmd.Stdout, cmd.Stderr = log, log
	server, err := cluster.StartProcess(cmd)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	p := &postgres{server: server, dsn: "host=127.0.0.1 port=" + port + " user=postgres dbname=postgres sslmode=disable"}
	if err := p.await(ctx); err != nil {
		text, _ := os.ReadFile(log.Name()) // to say more than the error does
		return nil, errors.Join(fmt.Errorf("postgres does not answer: %w\n%s", err, text), p.stop())
	}
	return p, nil
}

func (p *postgres) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, p.dsn)
		if err == nil {
			err = conn.QueryRow(ctx, "SELECT 'PostgreSQL ' || current_setting('server_version')").Scan(&p.version)
			return errors.Join(err, conn.Close(ctx))
		}
		t := time.NewTimer(50 * time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// stop asks for a fast shutdown (SIGINT), which ends every backend.
func (p *postgres) stop() error { return p.server.Stop(syscall.SIGINT, 20*time.Second) }

// serverUser is who PostgreSQL runs as: it refuses to run as root, so root takes
// the user postgres and gives it dir. Others run it as themselves.
func serverUser(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root and there is no user postgres: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr := l.Addr().String()
	return addr[strings.LastIndexByte(addr, ':')+1:], l.Close()
}
