package store

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/quorate-db/quorate/multiraft"
)

var errEOF = io.EOF

// captureTransport keeps a raft snapshot instead of sending it.
type captureTransport struct {
	multiraft.Transport
	header multiraft.SnapshotHeader
	chunks [][]byte
}

func (c *captureTransport) SendSnapshot(_ context.Context, _ uint64, h multiraft.SnapshotHeader, _ int64, chunks func() ([]byte, error)) error {
	c.header = h
	for {
		b, err := chunks()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c.chunks = append(c.chunks, bytes.Clone(b))
	}
}
