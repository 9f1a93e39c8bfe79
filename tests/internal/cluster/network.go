package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Rule says what becomes of bytes from one node to another.
type Rule struct {
	Mode  Mode
	Delay time.Duration // of what passes
}

// Mode of a Rule.
type Mode int

const (
	Pass  Mode = iota
	Hold       // nothing arrives; later it does, as when lost packets are sent again
	Drop       // nothing arrives, and never will: when the rule ends the connection is reset
	Reset      // connections are reset and new ones refused
)

// Network stands between the nodes: before each node's RPC port there is a proxy
// on loopback, whose address is what other nodes are told. Who is at the other end
// of a connection is learned from /proc, so that there can be a Rule for each
// ordered pair of nodes. The command line and tests connect to the ports
// themselves.
//
// A rule works on bytes of established connections, both those of calls from a to
// b and of answers from a to b. While nothing passes in one of the directions, no
// connection comes about in either, as without SYN or SYN-ACK.
//
// Methods may be called concurrently.
type Network struct {
	nodes func() []*Node
	ctx   context.Context
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu struct {
		sync.Mutex
		rules   map[pair]Rule
		changed chan struct{} // closed and replaced when a rule has changed
		conns   map[*link]struct{}
	}
}

type pair struct{ from, to *Node }

func newNetwork(nodes func() []*Node) *Network {
	n := &Network{nodes: nodes}
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.mu.rules = map[pair]Rule{}
	n.mu.changed = make(chan struct{})
	n.mu.conns = map[*link]struct{}{}
	return n
}

// Set makes a rule for what goes from one node to another, until another is set or
// Heal is called.
func (n *Network) Set(from, to *Node, r Rule) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.rules[pair{from, to}] = r
	n.announceLocked()
	if r.Mode == Reset {
		for l := range n.mu.conns {
			if l.dialer == from && l.target == to || l.dialer == to && l.target == from {
				l.reset()
			}
		}
	}
}

// Heal ends all rules.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.mu.rules)
	n.announceLocked()
}

func (n *Network) announceLocked() {
	close(n.mu.changed)
	n.mu.changed = make(chan struct{})
}

func (n *Network) rule(p pair) (Rule, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.rules[p], n.mu.changed
}

func (n *Network) close() {
	n.stop()
	n.mu.Lock()
	for l := range n.mu.conns {
		l.reset()
	}
	n.mu.Unlock()
	n.wg.Wait()
}

// listen opens the proxy before a node. It lives until close: the node's address
// for others stays the same over restarts.
func (n *Network) listen(node *Node) (string, error) {
	ports, err := freePorts(1)
	if err != nil {
		return "", err
	}
	lis, err := net.Listen("tcp4", ports[0])
	if err != nil {
		return "", fmt.Errorf("listen before %s: %w", node.Name, err)
	}
	n.wg.Add(2)
	go func() { // ends with close
		defer n.wg.Done()
		<-n.ctx.Done()
		_ = lis.Close() // nobody is left to hear of it
	}()
	go func() { // ends with the listener
		defer n.wg.Done()
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			n.wg.Add(1)
			go func() { // ends with the connection
				defer n.wg.Done()
				n.serve(node, c.(*net.TCPConn))
			}()
		}
	}()
	return ports[0], nil
}

// link is a connection from one node to another through the proxy.
type link struct {
	dialer, target *Node
	mu             struct {
		sync.Mutex
		conns []*net.TCPConn
		over  bool
	}
}

// reset ends the connection so that both ends see an RST.
func (l *link) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.over = true
	for _, c := range l.mu.conns {
		_ = c.SetLinger(0) // it may be closed already
		_ = c.Close()
	}
}

// add takes a socket in that reset is to close.
func (l *link) add(c *net.TCPConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.conns = append(l.mu.conns, c)
	if l.mu.over {
		_ = c.Close() // the link was reset meanwhile
	}
}

func (n *Network) serve(target *Node, c *net.TCPConn) {
	l := &link{target: target}
	l.add(c)
	defer l.reset() // whatever ends one direction ends the other
	if l.dialer = n.owner(c); l.dialer == nil {
		return // it died, or is none of ours
	}
	n.mu.Lock()
	n.mu.conns[l] = struct{}{}
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.mu.conns, l)
		n.mu.Unlock()
	}()
	there, back := pair{l.dialer, target}, pair{target, l.dialer}
	for _, p := range []pair{there, back, there} { // the last: it may have changed meanwhile
		if !n.passes(p) {
			return
		}
	}
	up, err := net.DialTimeout("tcp4", target.RPC, time.Second)
	if err != nil {
		return // the node does not run
	}
	l.add(up.(*net.TCPConn))
	done := make(chan struct{}, 2)
	go func() { n.pump(there, up, c); done <- struct{}{} }() // both end with the link
	go func() { n.pump(back, c, up); done <- struct{}{} }()
	<-done
	l.reset()
	<-done
}

// passes waits until bytes pass again. False: connections are reset, or the
// network is closed.
func (n *Network) passes(p pair) bool {
	for {
		r, changed := n.rule(p)
		switch {
		case r.Mode == Pass:
			return n.ctx.Err() == nil
		case r.Mode == Reset:
			return false
		}
		select {
		case <-changed:
		case <-n.ctx.Done():
			return false
		}
	}
}

// chunk is what was read at once.
type chunk struct {
	bytes []byte
	due   time.Time
}

// pump copies one direction of a connection, as the rules say.
func (n *Network) pump(p pair, to io.Writer, from io.Reader) {
	chunks := make(chan chunk, 64) // 2 MB: then the sender feels it, as with TCP
	ended := make(chan struct{})
	defer close(ended)
	go func() { // ends with the connection, which ends with the link
		defer close(chunks)
		for {
			buf := make([]byte, 32<<10)
			size, err := from.Read(buf)
			if size > 0 {
				r, _ := n.rule(p)
				select {
				case chunks <- chunk{buf[:size], time.Now().Add(r.Delay)}:
				case <-ended:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		if d := time.Until(c.due); d > 0 {
			if pause(n.ctx, d) != nil {
				return
			}
		}
		if r, _ := n.rule(p); r.Mode == Drop {
			n.passes(p)
			return // what was lost cannot be had again: the connection is over
		}
		if !n.passes(p) {
			return
		}
		if _, err := to.Write(c.bytes); err != nil {
			return
		}
	}
}

// owner finds the node whose process holds the other end of a connection.
func (n *Network) owner(c net.Conn) *Node {
	// A process that was started just now may not be known by its id yet.
	for range 20 {
		inode, err := socketInode(c.RemoteAddr().String(), c.LocalAddr().String())
		if err != nil {
			return nil
		}
		for _, node := range n.nodes() {
			if pid := node.PID(); pid != 0 && holdsSocket(pid, inode) {
				return node
			}
		}
		if pause(n.ctx, 5*time.Millisecond) != nil {
			return nil
		}
	}
	return nil
}

// socketInode finds a socket's inode by its addresses in /proc/net/tcp.
func socketInode(local, remote string) (string, error) {
	l, err := procAddress(local)
	if err != nil {
		return "", err
	}
	r, err := procAddress(remote)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		// sl local rem st queues timer retransmits uid timeout inode
		if f := strings.Fields(line); len(f) > 9 && f[1] == l && f[2] == r {
			return f[9], nil
		}
	}
	return "", errors.New("the socket is gone")
}

// procAddress writes an IPv4 address as /proc/net/tcp does.
func procAddress(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	ip, num := net.ParseIP(host).To4(), 0
	if num, err = strconv.Atoi(port); err != nil || ip == nil {
		return "", fmt.Errorf("%s is no IPv4 address", addr)
	}
	return fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], num), nil
}

func holdsSocket(pid int, inode string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false // it has ended
	}
	for _, e := range entries {
		if to, err := os.Readlink(dir + "/" + e.Name()); err == nil && to == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}
