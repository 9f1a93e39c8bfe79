package sqldiff

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"
)

// userTypes make the types of users that scenarios have columns of. The enum has
// labels that came later, between others and before all.
var userTypes = []string{
	"CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",
	"ALTER TYPE mood ADD VALUE 'meh' BEFORE 'ok'",
	"ALTER TYPE mood ADD VALUE '' BEFORE 'sad'",
	"ALTER TYPE mood ADD VALUE 'so so' AFTER 'meh'",
	"CREATE DOMAIN posint AS int4 CHECK (VALUE > -1000)",
	"CREATE DOMAIN code AS text CONSTRAINT short CHECK (length(VALUE) < 40)",
	"CREATE TYPE pair AS (x int4, y text)",
}

// firstUserOID is where the numbers of users' types begin, which differ between
// servers. Outcomes have numbers of ours instead, from commonOID on.
const (
	firstUserOID = 16384
	commonOID    = 1 << 30
)

// userTypeNames are numbered from commonOID on.
var userTypeNames = []string{"mood", "_mood", "posint", "_posint", "code", "_code", "pair", "_pair"}

// makeUserTypes makes the types where they are missing and returns the numbers of
// ours for the server's.
func makeUserTypes(ctx context.Context, c *pgconn.PgConn) (map[uint32]uint32, error) {
	r, err := run(ctx, c, statement{sql: "SELECT 'pair'::regtype"})
	if err != nil {
		return nil, err
	}
	for _, s := range userTypes {
		if r.err == nil {
			break // another run has made them
		}
		o, err := run(ctx, c, statement{sql: s})
		if err == nil && o.err != nil {
			err = o.err
		}
		if err != nil {
			return nil, err
		}
	}
	out := map[uint32]uint32{}
	for i, name := range userTypeNames {
		o, err := run(ctx, c, statement{sql: "SELECT oid::int4 FROM pg_type WHERE typname = '" + name + "'", binary: true, extended: true})
		if err != nil {
			return nil, err
		}
		for _, row := range o.rows {
			oid := uint32(row[0][0])<<24 | uint32(row[0][1])<<16 | uint32(row[0][2])<<8 | uint32(row[0][3])
			out[oid] = commonOID + uint32(i)
		}
	}
	return out, nil
}

// renumber puts our numbers in the place of the server's.
func (o *outcome) renumber(numbers map[uint32]uint32) {
	for i := range o.columns {
		if n, ok := numbers[o.columns[i].DataTypeOID]; ok {
			o.columns[i].DataTypeOID = n
		}
	}
}
