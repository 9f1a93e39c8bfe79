package cluster

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// launcher starts processes from one operating system thread that lives as long
// as it does: the kernel kills a child when the thread that made it ends, not when
// the process does.
type launcher struct {
	work chan func()
}

func newLauncher() *launcher {
	l := &launcher{work: make(chan func())}
	go func() { // ends with close
		runtime.LockOSThread()
		for f := range l.work {
			f()
		}
	}()
	return l
}

// start starts cmd so that it dies with this process, in a process group of its
// own, so that a terminal's interrupt reaches the test alone.
func (l *launcher) start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.Setpgid = true
	err := make(chan error)
	l.work <- func() { err <- cmd.Start() }
	return <-err
}

// dieWithParent is for a child that runs while its caller waits.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// close ends the thread, and with it what was started and still runs.
func (l *launcher) close() { close(l.work) }

// freePorts finds addresses on loopback that nobody uses, see the package comment.
func freePorts(count int) ([]string, error) {
	// Tests run side by side in several processes: each begins somewhere else.
	from, to := 10000, ephemeralFrom()
	span := to - from
	if span < 1000 {
		return nil, errors.New("the kernel takes its own ports from below 11000: no room for the tests' ports")
	}
	var out []string
	seed := rand.IntN(span)
	for i := 0; i < span && len(out) < count; i++ {
		addr := "127.0.0.1:" + strconv.Itoa(from+(seed+i)%span)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
		out = append(out, addr)
	}
	if len(out) < count {
		return nil, errors.New("no free ports")
	}
	return out, nil
}

// ephemeralFrom is the first port that the kernel gives to outgoing connections.
func ephemeralFrom() int {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		if f := strings.Fields(string(b)); len(f) == 2 {
			if n, err := strconv.Atoi(f[0]); err == nil {
				return n
			}
		}
	}
	return 32768 // Linux's default
}
