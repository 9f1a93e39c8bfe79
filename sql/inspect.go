package sql

import (
	"bytes"
	"context"
	"strings"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// Span is a range of keys, [Start, End).
type Span struct{ Start, End []byte }

// TableSpan returns where a table and its indexes lie. name is table or
// schema.table, as PostgreSQL's regclass reads it.
func (e *Engine) TableSpan(ctx context.Context, name string) (Span, error) {
	schema, table := "", name
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		schema, table = name[:i], name[i+1:]
	}
	schema, table = foldName(schema), foldName(table)
	snap, err := e.newestCatalog(ctx)
	if err != nil {
		return Span{}, err
	}
	rel, ok, err := snap.Resolve(schema, table, []string{"public"})
	if err != nil {
		return Span{}, err
	}
	if !ok || rel.Table == nil || rel.Table.Virtual {
		return Span{}, sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", name)
	}
	start := keys.TablePrefix(rel.Table.StorageID)
	return Span{start, keys.PrefixEnd(start)}, nil
}

// foldName reads an identifier: lower case unless quoted.
func foldName(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return strings.ReplaceAll(s[1:len(s)-1], `""`, `"`)
	}
	return lower(s)
}

// newestCatalog loads the catalog at a fresh snapshot.
func (e *Engine) newestCatalog(ctx context.Context) (*catalog.Snapshot, error) {
	t, err := e.o.Store.Begin(TxnOptions{ReadOnly: true, Autocommit: true})
	if err != nil {
		return nil, err
	}
	defer t.Rollback(ctx)
	if err := t.Start(ctx); err != nil {
		return nil, err
	}
	snap, err := e.catalog.At(ctx, t)
	if err != nil {
		return nil, err
	}
	return snap, nil
}

// TablesIn names the tables whose keys overlap [start, end), from what this node
// remembers of the catalog: it waits for nobody and may be old. An empty end is
// infinity.
func (e *Engine) TablesIn(start, end []byte) []string {
	snap := e.catalog.Latest()
	if snap == nil {
		return nil
	}
	var out []string
	for _, t := range tablesIn(snap, start, end) {
		name := t.Name
		if s := snap.SchemaByID(t.Schema); s != nil {
			name = s.Name + "." + name
		}
		out = append(out, name)
	}
	return out
}

func tablesIn(snap *catalog.Snapshot, start, end []byte) (out []*catalog.Table) {
	for _, t := range snap.Tables() {
		if t.Virtual {
			continue
		}
		from := keys.TablePrefix(t.StorageID)
		if (len(end) == 0 || bytes.Compare(from, end) < 0) && bytes.Compare(start, keys.PrefixEnd(from)) < 0 {
			out = append(out, t)
		}
	}
	return out
}

// ParseSplitKey reads (v1,v2,…): values of the first columns of the primary key
// of the one table that has keys in [start, end).
func (e *Engine) ParseSplitKey(ctx context.Context, start, end []byte, text string) ([]byte, error) {
	snap, err := e.newestCatalog(ctx)
	if err != nil {
		return nil, err
	}
	tables := tablesIn(snap, start, end)
	if len(tables) != 1 {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "the region holds keys of %d tables: name the key in hexadecimal, or use ALTER TABLE … SPLIT AT VALUES (…)", len(tables))
	}
	t := tables[0]
	body, ok := strings.CutPrefix(strings.TrimSpace(text), "(")
	if ok {
		body, ok = strings.CutSuffix(body, ")")
	}
	if !ok {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "%q is neither 0x… nor (v1,v2,…)", text)
	}
	ix := t.Primary()
	codec, err := rowcodec.NewIndex(t, ix)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(body, ",")
	if len(parts) > len(ix.Columns) {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "%d values for the %d columns of the primary key of %q", len(parts), len(ix.Columns), t.Name)
	}
	var vals []types.Datum
	for i, p := range parts {
		p = strings.TrimSpace(p)
		if len(p) >= 2 && p[0] == '\'' && p[len(p)-1] == '\'' {
			p = strings.ReplaceAll(p[1:len(p)-1], "''", "'")
		}
		d, err := types.DecodeText(p, t.KeyType(ix.Columns[i]), nil)
		if err != nil {
			return nil, err
		}
		vals = append(vals, d)
	}
	return codec.AppendPrefixKey(nil, vals)
}
