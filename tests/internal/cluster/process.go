package cluster

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// Process is a child that is no node, such as a database to compare with. It dies
// with this process.
type Process struct {
	cmd      *exec.Cmd
	launcher *launcher
	done     chan struct{}
}

// StartProcess starts cmd.
func StartProcess(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, launcher: newLauncher(), done: make(chan struct{})}
	if err := p.launcher.start(cmd); err != nil {
		p.launcher.close()
		return nil, err
	}
	go func() { // ends with the child
		_ = cmd.Wait() // its end is all that matters here
		close(p.done)
	}()
	return p, nil
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop sends a signal and waits at most d for the end, then kills.
func (p *Process) Stop(s syscall.Signal, d time.Duration) error {
	defer p.launcher.close()
	if err := p.cmd.Process.Signal(s); err != nil {
		select {
		case <-p.done:
			return fmt.Errorf("%s had ended already", p.cmd.Path)
		default:
			return err
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.done:
		return nil
	case <-t.C:
		err := p.cmd.Process.Kill()
		<-p.done
		return errors.Join(fmt.Errorf("%s did not end within %v", p.cmd.Path, d), err)
	}
}
