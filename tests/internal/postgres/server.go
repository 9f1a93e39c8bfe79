package postgres

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

// Bin is the folder of PostgreSQL 15's programs. The error says what to install.
func Bin() (string, error) {
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

// Server is a running server. Stop must be called.
type Server struct {
	// DSN connects to the database postgres as its superuser.
	DSN string
	// Version is what the server says it is.
	Version string

	process *cluster.Process
}

// PID of the server's first process.
func (p *Server) PID() int { return p.process.PID() }

// Start makes a database directory below dir and starts a server on it that
// listens on loopback. Each setting is NAME=VALUE; without any the server has its
// defaults, so fsync is on. The caller removes dir.
func Start(ctx context.Context, bin, dir string, settings ...string) (*Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	as, err := serverUser(dir)
	if err != nil {
		return nil, err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C")
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	initdb.Dir = dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return start(ctx, bin, dir, as, settings)
}

// start starts a server on the database directory that dir has.
func start(ctx context.Context, bin, dir string, as *syscall.Credential, settings []string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := []string{"-D", filepath.Join(dir, "data"), "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + dir}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), args...)
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
	p := &Server{process: server, DSN: "host=127.0.0.1 port=" + port + " user=postgres dbname=postgres sslmode=disable"}
	if err := p.await(ctx); err != nil {
		text, _ := os.ReadFile(log.Name()) // to say more than the error does
		return nil, errors.Join(fmt.Errorf("postgres does not answer: %w\n%s", err, text), p.Stop())
	}
	return p, nil
}

func (p *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, p.DSN)
		if err == nil {
			err = conn.QueryRow(ctx, "SELECT 'PostgreSQL ' || current_setting('server_version')").Scan(&p.Version)
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

// Stop asks for a fast shutdown (SIGINT), which ends every backend.
func (p *Server) Stop() error { return p.process.Stop(syscall.SIGINT, 20*time.Second) }

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
