package store

import (
	"io"
	"runtime"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
)

// fakeStream is a stream of calls without a network.
type fakeStream struct {
	grpc.ServerStream
	in  chan *kvpb.CallBatch
	out chan *kvpb.AnswerBatch
}

func (f *fakeStream) SendHeader(metadata.MD) error { return nil }

func (f *fakeStream) Recv() (*kvpb.CallBatch, error) {
	if b, ok := <-f.in; ok {
		return b, nil
	}
	return nil, io.EOF
}

func (f *fakeStream) Send(b *kvpb.AnswerBatch) error {
	f.out <- b
	return nil
}

// answers drives the cluster until something is answered.
func (f *fakeStream) answers(c *cluster) []*kvpb.Answer {
	for {
		c.settle()
		select {
		case b := <-f.out:
			return b.GetAnswers()
		default:
			runtime.Gosched()
		}
	}
}

func calls(first uint64, reqs ...*kvpb.Request) *kvpb.CallBatch {
	b := &kvpb.CallBatch{}
	for i, q := range reqs {
		b.Calls = append(b.Calls, &kvpb.Call{Id: first + uint64(i), Request: q})
	}
	return b
}

// Reads and refusals of one message are answered in one message; a write is
// answered when it is committed; a cancelled one as unknown; and when the stream
// ends what is under way is given up.
func TestCallStream(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	n.wantGet(user, "ta", "1") // brings a lease: reads are answered at once
	f := &fakeStream{in: make(chan *kvpb.CallBatch), out: make(chan *kvpb.AnswerBatch, 16)}
	ended := make(chan error, 1)
	go func() { ended <- streamService{s: n.s}.Calls(f) }()

	f.in <- calls(1, n.getReq(user, "ta", c.timestamp()), n.getReq(user+77, "ta", c.timestamp()))
	got := (<-f.out).GetAnswers()
	if len(got) != 2 || string(got[0].GetResponse().GetGet().GetValue()) != "1" || got[1].GetResponse().GetRegionError().GetRegionNotFound() == nil {
		t.Fatalf("two reads: %v", got)
	}

	// A write waits for its quorum. The read behind it in the same message, and its
	// answer, do not wait for the write.
	f.in <- calls(3, n.putReq(user, c.timestamp(), "tb", "2"), n.getReq(user, "ta", c.timestamp()))
	if got = (<-f.out).GetAnswers(); len(got) != 1 || got[0].GetId() != 4 {
		t.Fatalf("a read behind a write: %v", got)
	}
	if got = f.answers(c); len(got) != 1 || got[0].GetId() != 3 || got[0].GetResponse().GetPrewrite().GetOnePcCommitTs() == 0 {
		t.Fatalf("the write: %v", got)
	}

	proposals := n.s.counters.Proposals.Load()
	c.cut = func(*multiraft.Envelope) bool { return true }
	f.in <- calls(5, n.putReq(user, c.timestamp(), "tc", "3"))
	for n.s.counters.Proposals.Load() == proposals {
		runtime.Gosched()
	}
	f.in <- &kvpb.CallBatch{Cancelled: []uint64{5, 99}}
	if got = (<-f.out).GetAnswers(); len(got) != 1 || got[0].GetId() != 5 || got[0].GetResponse().GetRegionError().GetAmbiguous() == nil {
		t.Fatalf("a cancelled write: %v", got)
	}

	f.in <- calls(6, n.putReq(user, c.timestamp(), "td", "4"))
	close(f.in)
	if err := <-ended; err != io.EOF {
		t.Errorf("ended with %v", err)
	}
	select {
	case b := <-f.out:
		t.Errorf("answered after the end: %v", b)
	default:
	}
}
