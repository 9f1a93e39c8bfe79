package clients

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// script is a client of another language.
type script struct {
	name, file string
	// interpreters are tried one after the other, each with probe, which ends with 0
	// where the library is there.
	interpreters []string
	probe        []string
	needs        string // what to install
	turn         int
}

var scripts = []script{
	{"psycopg2", "psycopg2_run.py", pythons, []string{"-c", "import psycopg2"}, "python3-psycopg2", 0},
	{"psycopg", "psycopg3_run.py", pythons, []string{"-c", "import psycopg"}, "python3-psycopg", 1},
	{"SQLAlchemy", "sqlalchemy_run.py", pythons, []string{"-c", "import sqlalchemy, psycopg2"}, "python3-sqlalchemy python3-psycopg2", 2},
	{"Django", "django_run.py", pythons, []string{"-c", "import django, psycopg2"}, "python3-django python3-psycopg2", 3},
	{"ruby-pg", "ruby_pg.rb", []string{"ruby"}, []string{"-e", "require 'pg'"}, "ruby-pg", 0},
	{"PHP PDO", "php_pdo.php", []string{"php"}, []string{"-r", "exit(extension_loaded('pdo_pgsql') ? 0 : 1);"}, "php-cli php-pgsql", 1},
	{"DBD::Pg", "perl_dbd.pl", []string{"perl"}, []string{"-MDBD::Pg", "-e", "1"}, "libdbd-pg-perl", 2},
}

var pythons = []string{"/usr/bin/python3", "python3"}

// The clients of other languages that are installed.
func TestScripts(t *testing.T) {
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			turn(t, s.turn)
			for _, name := range s.interpreters {
				path, err := exec.LookPath(name)
				if err != nil || exec.Command(path, s.probe...).Run() != nil {
					continue
				}
				runScript(t, path, s.file)
				return
			}
			t.Skipf("%s is not installed (Debian: %s)", s.name, s.needs)
		})
	}
}

func runScript(t *testing.T, interpreter, file string, env ...string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("scripts", file))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, path)
	cmd.Env = append(environment(t, dsn(0)), env...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "ok") {
		t.Errorf("%s: %v\n%s", file, err, out)
	}
}

// nodePackages are those of the npm registry that the scripts below require.
var nodePackages = []string{"pg@8.23.1", "knex@3.3.0", "drizzle-orm@0.45.4", "typeorm@1.1.1", "reflect-metadata@0.2.2"}

// nodeModules installs the packages once, below bin of the repository.
var nodeModules = sync.OnceValues(func() (string, error) {
	dir, err := filepath.Abs("../../bin/clients-node")
	if err != nil {
		return "", err
	}
	modules := filepath.Join(dir, "node_modules")
	if exists(filepath.Join(dir, "installed")) {
		return modules, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	args := append([]string{"install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir}, nodePackages...)
	if out, err := exec.CommandContext(ctx, "npm", args...).CombinedOutput(); err != nil {
		return string(out), err
	}
	return modules, os.WriteFile(filepath.Join(dir, "installed"), nil, 0o644)
})

// The clients that run on node, where it is installed and the npm registry can be
// reached.
func TestNode(t *testing.T) {
	for name, file := range map[string]string{"node-postgres": "node_pg.js", "knex": "knex.js", "drizzle": "drizzle.js", "TypeORM": "typeorm.js"} {
		t.Run(name, func(t *testing.T) {
			if *slice >= 0 {
				t.Skip("not in slices: its packages come from the npm registry")
			}
			node, err := exec.LookPath("node")
			if err != nil {
				t.Skipf("%s: node is not installed", name)
			}
			modules, err := nodeModules()
			if err != nil {
				t.Skipf("%s could not be installed with npm: %v\n%s", name, err, modules)
			}
			runScript(t, node, file, "NODE_PATH="+modules)
		})
	}
}
