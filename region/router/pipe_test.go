package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/quorate-db/quorate/proto/kvpb"
)

// pipeServer answers gets with their key and notes what else it hears.
type pipeServer struct {
	kvpb.UnimplementedKVStreamServer
	kvpb.UnimplementedKVServer
	opened chan struct{} // one for each stream
	heard  chan string   // what is not answered: "commit a", "cancel"
	end    chan error    // ends the stream
	mu     sync.Mutex
	alone  int // requests that came as calls of their own
}

func (s *pipeServer) Send(_ context.Context, req *kvpb.Request) (*kvpb.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alone++
	return echo(req), nil
}

func echo(req *kvpb.Request) *kvpb.Response {
	return &kvpb.Response{Cmd: &kvpb.Response_Get{Get: &kvpb.GetResponse{Value: req.GetGet().GetKey()}}}
}

func (s *pipeServer) Calls(stream grpc.BidiStreamingServer[kvpb.CallBatch, kvpb.AnswerBatch]) error {
	if err := stream.SendHeader(nil); err != nil {
		return err
	}
	s.opened <- struct{}{}
	failed := make(chan error, 1)
	go func() { failed <- s.serve(stream) }()
	select {
	case err := <-failed:
		return err
	case err := <-s.end:
		return err
	}
}

// serve answers every batch from its end to its beginning.
func (s *pipeServer) serve(stream grpc.BidiStreamingServer[kvpb.CallBatch, kvpb.AnswerBatch]) error {
	for {
		batch, err := stream.Recv()
		if err != nil {
			return err
		}
		for range batch.GetCancelled() {
			s.heard <- "cancel"
		}
		out := &kvpb.AnswerBatch{}
		for i := len(batch.GetCalls()) - 1; i >= 0; i-- {
			c := batch.GetCalls()[i]
			if k := c.GetRequest().GetCommit(); k != nil {
				s.heard <- fmt.Sprintf("commit %s", k.GetKeys()[0])
				continue
			}
			out.Answers = append(out.Answers, &kvpb.Answer{Id: c.GetId(), Response: echo(c.GetRequest())})
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

// pipeTransport is a transport whose pipe to store 2 stands.
func pipeTransport(t *testing.T) (*Transport, *pipeServer) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &pipeServer{opened: make(chan struct{}, 16), heard: make(chan string, 16), end: make(chan error)}
	srv := grpc.NewServer()
	kvpb.RegisterKVServer(srv, s)
	kvpb.RegisterKVStreamServer(srv, s)
	served := make(chan struct{})
	go func() {
		_ = srv.Serve(lis)
		close(served)
	}()
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	tr := NewTransport(func(context.Context, uint64) (*grpc.ClientConn, error) { return conn, nil })
	t.Cleanup(func() {
		tr.Close()
		conn.Close()
		srv.Stop()
		<-served
	})
	standing(t, tr)
	<-s.opened
	return tr, s
}

// standing sends until the pipe stands and returns it.
func standing(t *testing.T, tr *Transport) *pipe {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		// A request that finds no pipe opens one.
		if _, err := tr.Send(ctx, 2, getReq("a")); err != nil {
			t.Fatal(err)
		}
		tr.mu.RLock()
		p := tr.mu.pipes[2]
		tr.mu.RUnlock()
		if p != nil {
			return p
		}
	}
}

// Everybody gets the answer to what they asked, in whatever order answers come,
// and small requests travel in the pipe only.
func TestPipeAnswersMatch(t *testing.T) {
	tr, s := pipeTransport(t)
	s.mu.Lock()
	before := s.alone
	s.mu.Unlock()
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := range 50 {
				key := fmt.Sprintf("%d/%d", w, i)
				resp, err := tr.Send(t.Context(), 2, getReq(key))
				if err != nil || string(resp.GetGet().GetValue()) != key {
					t.Errorf("asked for %s, got %q, %v", key, resp.GetGet().GetValue(), err)
				}
			}
		})
	}
	wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alone != before {
		t.Errorf("%d small requests travelled by themselves", s.alone-before)
	}
}

// A request whose caller leaves is cancelled at the store; its outcome is not
// known, so the error is not "not sent".
func TestPipeCancel(t *testing.T) {
	tr, s := pipeTransport(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := tr.Send(ctx, 2, commitReq("a"))
		done <- err
	}()
	if got := <-s.heard; got != "commit a" {
		t.Fatal(got)
	}
	cancel()
	var notSent *NotSentError
	if err := <-done; !errors.Is(err, context.Canceled) || errors.As(err, &notSent) {
		t.Errorf("cancelled after it was sent: %v", err)
	}
	if got := <-s.heard; got != "cancel" {
		t.Error(got)
	}
	if _, err := tr.Send(ctx, 2, commitReq("b")); err == nil {
		t.Error("a request of a caller that has left was answered")
	}
}

// When the stream breaks, what was sent may have run; what comes later travels by
// itself and in a new pipe.
func TestPipeBreaks(t *testing.T) {
	tr, s := pipeTransport(t)
	old := standing(t, tr)
	done := make(chan error, 1)
	go func() {
		_, err := tr.Send(t.Context(), 2, commitReq("a"))
		done <- err
	}()
	<-s.heard
	s.end <- io.ErrUnexpectedEOF
	var notSent *NotSentError
	if err := <-done; !errors.Is(err, errPipeBroke) || errors.As(err, &notSent) {
		t.Errorf("broke with the request at the store: %v", err)
	}
	for standing(t, tr) == old {
		continue // until the break was noticed
	}
	<-s.opened
}

// What still stands in the queue of a pipe that breaks has certainly not run.
func TestPipeBreaksBeforeSending(t *testing.T) {
	p := &pipe{cancel: func() {}, wake: make(chan struct{}, 1)}
	p.mu.pending = make(map[uint64]*pipeCall)
	done := make(chan error, 1)
	go func() {
		_, _, err := p.call(t.Context(), 2, commitReq("a"))
		done <- err
	}()
	<-p.wake // it is queued; nobody writes
	p.close()
	var notSent *NotSentError
	if err := <-done; !errors.As(err, &notSent) {
		t.Errorf("queued when the pipe broke: %v", err)
	}
	if _, taken, _ := p.call(t.Context(), 2, commitReq("a")); taken {
		t.Error("a broken pipe took a call")
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.mu.broken = false
	cancel()
	if _, _, err := p.call(ctx, 2, commitReq("a")); !errors.As(err, &notSent) || p.take() != nil {
		t.Errorf("left the queue before it was sent: %v", err)
	}
}

// Large requests do not hold up small ones.
func TestFitsPipe(t *testing.T) {
	many := make([]string, pipeKeysMax+1)
	for _, c := range []struct {
		req  *kvpb.Request
		fits bool
	}{
		{getReq("a"), true},
		{commitReq("a"), true},
		{commitReq(many...), false},
		{&kvpb.Request{Cmd: &kvpb.Request_Scan{Scan: &kvpb.ScanRequest{}}}, false},
		{&kvpb.Request{Cmd: &kvpb.Request_Scan{Scan: &kvpb.ScanRequest{LimitRows: 1}}}, true},
		{&kvpb.Request{Cmd: &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{Mutations: []*kvpb.Mutation{{Value: make([]byte, 100)}}}}}, true},
		{&kvpb.Request{Cmd: &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{Mutations: []*kvpb.Mutation{{Value: make([]byte, pipeCallBytesMax+1)}}}}}, false},
		{&kvpb.Request{Cmd: &kvpb.Request_Admin{}}, false},
	} {
		if got := fitsPipe(c.req); got != c.fits {
			t.Errorf("%T: %v", c.req.GetCmd(), got)
		}
	}
}
