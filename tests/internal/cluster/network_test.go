package cluster

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// wire is a network with a node that answers each byte with the same one, and this
// process as the node that dials.
type wire struct {
	t            *testing.T
	n            *Network
	dialer, echo *Node
	addr         string
}

func newWire(t *testing.T) *wire {
	t.Helper()
	lis, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the listener
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer c.Close()
				_, _ = io.Copy(c, c) // its end is not of interest
			}()
		}
	}()
	w := &wire{t: t, dialer: &Node{Name: "dialer"}, echo: &Node{Name: "echo", RPC: lis.Addr().String()}}
	w.dialer.mu.cmd = &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}
	w.n = newNetwork(func() []*Node { return []*Node{w.echo, w.dialer} })
	if w.addr, err = w.n.listen(w.echo); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.n.close()
		if err := lis.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *wire) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp4", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() }) // it may have been reset
	return c
}

// soon is long for what is to happen, and brief for what is not to.
const soon, notSoon = 10 * time.Second, 200 * time.Millisecond

func (w *wire) send(c net.Conn, b byte) {
	w.t.Helper()
	if _, err := c.Write([]byte{b}); err != nil {
		w.t.Fatal(err)
	}
}

// receive returns what came within d: the byte, or an error.
func (w *wire) receive(c net.Conn, d time.Duration) (byte, error) {
	w.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		w.t.Fatal(err)
	}
	var b [1]byte
	_, err := io.ReadFull(c, b[:])
	return b[0], err
}

func (w *wire) expect(c net.Conn, b byte) {
	w.t.Helper()
	if got, err := w.receive(c, soon); err != nil || got != b {
		w.t.Fatalf("received %d, %v, want %d", got, err, b)
	}
}

func (w *wire) expectNothing(c net.Conn) {
	w.t.Helper()
	if got, err := w.receive(c, notSoon); !errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Fatalf("received %d, %v, want nothing", got, err)
	}
}

func (w *wire) expectReset(c net.Conn) {
	w.t.Helper()
	if got, err := w.receive(c, soon); !errors.Is(err, syscall.ECONNRESET) {
		w.t.Fatalf("received %d, %v, want a reset", got, err)
	}
}

// What is held arrives later and in order, in each direction for itself.
func TestNetworkHolds(t *testing.T) {
	for _, there := range []bool{true, false} {
		w := newWire(t)
		c := w.dial()
		w.send(c, 1)
		w.expect(c, 1)
		from, to := w.dialer, w.echo
		if !there {
			from, to = to, from
		}
		w.n.Set(from, to, Rule{Mode: Hold})
		w.send(c, 2)
		w.send(c, 3)
		w.expectNothing(c)
		w.n.Heal()
		w.expect(c, 2)
		w.expect(c, 3)
	}
}

// A rule for another direction of other nodes does nothing.
func TestNetworkRuleIsOfItsPair(t *testing.T) {
	w := newWire(t)
	other := &Node{Name: "other"}
	for _, p := range []pair{{w.dialer, other}, {other, w.echo}, {w.dialer, w.dialer}} {
		w.n.Set(p.from, p.to, Rule{Mode: Reset})
	}
	c := w.dial()
	w.send(c, 1)
	w.expect(c, 1)
}

// What is dropped is lost, and the connection ends with the rule.
func TestNetworkDrops(t *testing.T) {
	w := newWire(t)
	c := w.dial()
	w.send(c, 1)
	w.expect(c, 1)
	w.n.Set(w.dialer, w.echo, Rule{Mode: Drop})
	w.send(c, 2)
	w.expectNothing(c)
	w.n.Heal()
	w.expectReset(c)
	c = w.dial()
	w.send(c, 3)
	w.expect(c, 3)
}

// While nothing passes one way no connection comes about, and none is refused.
func TestNetworkHalfOpen(t *testing.T) {
	w := newWire(t)
	w.n.Set(w.echo, w.dialer, Rule{Mode: Drop})
	c := w.dial()
	w.send(c, 1)
	w.expectNothing(c)
	w.n.Heal()
	w.expect(c, 1)
}

func TestNetworkResets(t *testing.T) {
	w := newWire(t)
	c := w.dial()
	w.send(c, 1)
	w.expect(c, 1)
	w.n.Set(w.echo, w.dialer, Rule{Mode: Reset})
	w.expectReset(c)
	w.expectReset(w.dial())
	w.n.Heal()
	c = w.dial()
	w.send(c, 2)
	w.expect(c, 2)
}

func TestNetworkDelays(t *testing.T) {
	w := newWire(t)
	c := w.dial()
	w.send(c, 1)
	w.expect(c, 1)
	const delay = 150 * time.Millisecond
	w.n.Set(w.dialer, w.echo, Rule{Delay: delay})
	began := time.Now()
	w.send(c, 2)
	w.expect(c, 2)
	if d := time.Since(began); d < delay {
		t.Errorf("came back after %v", d)
	}
}

// Nobody but nodes gets through: a rule could not be applied to it.
func TestNetworkRefusesStrangers(t *testing.T) {
	w := newWire(t)
	w.dialer.mu.cmd.Process.Pid = os.Getppid()
	w.expectReset(w.dial())
}
