package pgwire

import (
	"context"
	"errors"

	"github.com/jackc/pgproto3/v2"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// simpleQuery runs a Query message: one cycle.
func (c *conn) simpleQuery(ctx context.Context, body []byte) error {
	msg, err := c.decode('Q', body)
	if err != nil {
		c.session.Fail(ctx, true)
		return c.endSimple(err)
	}
	c.res.begin(true)
	err = c.session.ExecSimple(ctx, msg.(*pgproto3.Query).String, &c.res)
	if err == nil && c.res.completed == 0 {
		err = sqlerr.Internal("query string ended without an answer")
	}
	return c.endSimple(err)
}

func (c *conn) endSimple(err error) error {
	c.res.endStatement()
	if err != nil || c.lostErr != nil || c.out.err != nil {
		if err := c.failed(err); err != nil {
			return err
		}
	}
	return c.ready()
}

// extended handles a message of the extended protocol. After an error all is
// skipped up to Sync.
func (c *conn) extended(ctx context.Context, typ byte, body []byte) error {
	var err error
	switch typ {
	case 'P':
		err = c.parse(ctx, body)
	case 'B':
		err = c.bindPortal(ctx, body)
	case 'D':
		err = c.describe(ctx, body)
	case 'E':
		err = c.execute(ctx, body)
	case 'C':
		err = c.closeObject(ctx, body)
	default:
		err = protocolError("invalid frontend message type %d", typ)
	}
	if err == nil && c.lostErr == nil {
		return c.out.flushFull()
	}
	var own *ownError
	if errors.As(err, &own) {
		c.session.Fail(ctx, false)
		err = own.error
	}
	c.skipping = true
	return c.failed(err)
}

// ownError is an error that the session has not seen.
type ownError struct{ error }

func (e *ownError) Unwrap() error { return e.error }

func (c *conn) parse(ctx context.Context, body []byte) error {
	msg, err := c.decode('P', body)
	if err != nil {
		return &ownError{err}
	}
	p := msg.(*pgproto3.Parse)
	if err := c.session.Parse(ctx, p.Name, p.Query, p.ParameterOIDs); err != nil {
		return err
	}
	c.out.empty('1')
	return nil
}

func (c *conn) bindPortal(ctx context.Context, body []byte) error {
	b, err := c.decodeBind(body)
	if err != nil {
		return &ownError{err}
	}
	if err := c.session.Bind(ctx, b); err != nil {
		return err
	}
	c.out.empty('2')
	return nil
}

func (c *conn) describe(ctx context.Context, body []byte) error {
	msg, err := c.decode('D', body)
	if err != nil {
		return &ownError{err}
	}
	d := msg.(*pgproto3.Describe)
	if d.ObjectType == 'P' {
		cols, err := c.session.DescribePortal(ctx, d.Name)
		if err != nil {
			return err
		}
		return c.describeColumns(cols, true)
	}
	params, cols, err := c.session.DescribeStatement(ctx, d.Name)
	if err != nil {
		return err
	}
	if err := c.out.parameterDescription(params); err != nil {
		return &ownError{err}
	}
	return c.describeColumns(cols, false)
}

func (c *conn) describeColumns(cols []Column, formatsKnown bool) error {
	if cols == nil {
		c.out.empty('n')
		return nil
	}
	if err := c.out.rowDescription(cols, formatsKnown); err != nil {
		return &ownError{err}
	}
	return nil
}

func (c *conn) execute(ctx context.Context, body []byte) error {
	e, err := c.decodeExecute(body)
	if err != nil {
		return &ownError{err}
	}
	c.res.begin(false)
	suspended, err := c.session.Execute(ctx, e.portal, e.maxRows, &c.res)
	c.res.endStatement()
	switch {
	case err != nil:
		return err
	case suspended && e.maxRows > 0 && c.res.completed == 0:
		c.out.empty('s')
	case suspended || c.res.completed != 1:
		return &ownError{sqlerr.Internal("portal was completed %d times", c.res.completed)}
	}
	return nil
}

func (c *conn) closeObject(ctx context.Context, body []byte) error {
	msg, err := c.decode('C', body)
	if err != nil {
		return &ownError{err}
	}
	o := msg.(*pgproto3.Close)
	if o.ObjectType == 'P' {
		err = c.session.ClosePortal(ctx, o.Name)
	} else {
		err = c.session.CloseStatement(ctx, o.Name)
	}
	if err != nil {
		return err
	}
	c.out.empty('3')
	return nil
}

// sync ends a cycle of the extended protocol.
func (c *conn) sync(ctx context.Context) error {
	c.skipping = false
	if err := c.session.Sync(ctx); err != nil {
		if err := c.failed(err); err != nil {
			return err
		}
	}
	return c.ready()
}
