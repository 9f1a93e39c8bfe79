package router

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/quorate-db/quorate/proto/kvpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type kvServer struct {
	kvpb.UnimplementedKVServer
	handle func(ctx context.Context, req *kvpb.Request) (*kvpb.Response, error)
}

func (s *kvServer) Send(ctx context.Context, req *kvpb.Request) (*kvpb.Response, error) {
	return s.handle(ctx, req)
}

type handlerFunc func(ctx context.Context, req *kvpb.Request) *kvpb.Response

func (f handlerFunc) Send(ctx context.Context, req *kvpb.Request) *kvpb.Response { return f(ctx, req) }

// Over a real connection: what never left is *NotSentError, what may have run is
// not.
func TestTransport(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{}, 1)
	hang := make(chan struct{})
	srv := grpc.NewServer()
	kvpb.RegisterKVServer(srv, &kvServer{handle: func(ctx context.Context, req *kvpb.Request) (*kvpb.Response, error) {
		if req.GetCommit() != nil {
			arrived <- struct{}{}
			<-hang
		}
		return &kvpb.Response{Cmd: &kvpb.Response_Get{Get: &kvpb.GetResponse{Value: req.GetGet().GetKey()}}}, nil
	}})
	served := make(chan struct{})
	go func() {
		_ = srv.Serve(lis)
		close(served)
	}()
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tr := NewTransport(func(_ context.Context, store uint64) (*grpc.ClientConn, error) {
		if store == 2 {
			return conn, nil
		}
		return nil, errors.New("no address")
	})
	defer tr.Close()
	tr.Register(1, handlerFunc(func(context.Context, *kvpb.Request) *kvpb.Response { return ok() }))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	if resp, err := tr.Send(ctx, 1, getReq("a")); err != nil || resp.GetGet() == nil {
		t.Errorf("local: %v", err)
	}
	if resp, err := tr.Send(ctx, 2, getReq("a")); err != nil || string(resp.GetGet().GetValue()) != "a" {
		t.Errorf("remote: %v", err)
	}
	var notSent *NotSentError
	if _, err := tr.Send(ctx, 3, getReq("a")); !errors.As(err, &notSent) {
		t.Errorf("store without an address: %v", err)
	}
	var final *RegionError
	if _, err := tr.Send(ctx, 2, getReq(string(make([]byte, 5<<20)))); !errors.As(err, &final) {
		t.Errorf("message above the limit: %v", err)
	}

	// The server dies with a request in it: that one may have run, later ones have
	// not.
	done := make(chan error)
	go func() {
		_, err := tr.Send(ctx, 2, commitReq("a"))
		done <- err
	}()
	<-arrived
	stopped := make(chan struct{})
	go func() {
		srv.Stop()
		close(stopped)
	}()
	if err := <-done; err == nil || errors.As(err, &notSent) {
		t.Errorf("server died: %v", err)
	}
	for range 3 {
		if _, err := tr.Send(ctx, 2, commitReq("a")); !errors.As(err, &notSent) {
			t.Errorf("server is gone: %v", err)
		}
	}
	close(hang)
	<-stopped
	<-served
	tr.Unregister(1)
	if _, err := tr.Send(ctx, 1, getReq("a")); !errors.As(err, &notSent) {
		t.Errorf("unregistered: %v", err)
	}
}
