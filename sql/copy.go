package sql

import (
	"context"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

func (s *Session) copy(ctx context.Context, p *portal, st *ast.Copy, w pgwire.ResultWriter) error {
	return sqlerr.Unsupported("COPY")
}
