package sql

import (
	"strings"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/types"
)

// Places of columns of pg_constraint.
const (
	condeferrable = 4
	condeferred   = 5
	convalidated  = 6
	confrelid     = 11
	confupdtype   = 12
	confdeltype   = 13
	confmatchtype = 14
	confkey       = 19
	confdelset    = 23
)

func columnNumbers(list []int16) types.Datum {
	out := make([]types.Datum, len(list))
	for i, c := range list {
		out[i] = dInt(int64(c))
	}
	return types.NewArray(types.NewArrayOf(types.Int2, out))
}

// foreignKeyRow is a row of pg_constraint.
func foreignKeyRow(t *catalog.Table, k *catalog.ForeignKey) []types.Datum {
	row := constraintRow(k.ID, k.Name, t, 'f', k.RefIndex, nil, types.Null)
	row[condeferrable], row[condeferred], row[convalidated] = dBool(k.Deferrable), dBool(k.Deferred), dBool(!k.Unvalidated)
	row[confrelid] = dOID(k.RefTable)
	row[confupdtype], row[confdeltype], row[confmatchtype] = dChar(byte(k.OnUpdate)), dChar(byte(k.OnDelete)), dChar(byte(k.Match))
	row[confkey-1], row[confkey] = columnNumbers(k.Columns), columnNumbers(k.RefColumns)
	if len(k.SetColumns) > 0 {
		row[confdelset] = columnNumbers(k.SetColumns)
	}
	return row
}

// foreignKeyDef is pg_get_constraintdef of a foreign key.
func (s *Session) foreignKeyDef(snap *catalog.Snapshot, t *catalog.Table, k *catalog.ForeignKey) string {
	names := func(t *catalog.Table, list []int16) string {
		var out []string
		for _, c := range list {
			out = append(out, exec.QuoteIdent(t.Column(c).Name))
		}
		return "(" + strings.Join(out, ", ") + ")"
	}
	parent := snap.Table(k.RefTable)
	if parent == nil {
		return ""
	}
	d := &ddl{s: s}
	def := "FOREIGN KEY " + names(t, k.Columns) + " REFERENCES " + d.relName(parent) + names(parent, k.RefColumns)
	if k.Match == catalog.MatchFull {
		def += " MATCH FULL"
	}
	if k.OnUpdate != catalog.NoAction {
		def += " ON UPDATE " + refActionName(k.OnUpdate)
	}
	if k.OnDelete != catalog.NoAction {
		def += " ON DELETE " + refActionName(k.OnDelete)
	}
	if len(k.SetColumns) > 0 {
		def += " " + names(t, k.SetColumns)
	}
	if k.Deferrable {
		def += " DEFERRABLE"
	}
	if k.Deferred {
		def += " INITIALLY DEFERRED"
	}
	if k.Unvalidated {
		def += " NOT VALID"
	}
	return def
}

func refActionName(a catalog.RefAction) string {
	switch a {
	case catalog.Restrict:
		return "RESTRICT"
	case catalog.Cascade:
		return "CASCADE"
	case catalog.SetNull:
		return "SET NULL"
	case catalog.SetDefault:
		return "SET DEFAULT"
	}
	return "NO ACTION"
}

// eachForeignKey calls f with every foreign key.
func eachForeignKey(s *Session, f func(t *catalog.Table, k *catalog.ForeignKey) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		for i := range t.ForeignKeys {
			if err := f(t, &t.ForeignKeys[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func infoReferentialConstraints(s *Session, yield func(fields) error) error {
	return eachForeignKey(s, func(t *catalog.Table, k *catalog.ForeignKey) error {
		row := fields{"constraint_catalog": dText(s.database()), "constraint_schema": dText(t.SchemaName), "constraint_name": dText(k.Name),
			"match_option": dText("NONE"), "update_rule": dText(refActionName(k.OnUpdate)), "delete_rule": dText(refActionName(k.OnDelete))}
		if k.Match == catalog.MatchFull {
			row["match_option"] = dText("FULL")
		}
		if x, ok := s.tx.snap.IndexByID(k.RefIndex); ok && x.Index.ConstraintID != 0 {
			row["unique_constraint_catalog"], row["unique_constraint_schema"], row["unique_constraint_name"] = dText(s.database()), dText(x.Table.SchemaName), dText(x.Index.Name)
		}
		return yield(row)
	})
}

// foreignKeyColumns yields the rows of key_column_usage.
func foreignKeyColumns(s *Session, yield func(fields) error) error {
	return eachForeignKey(s, func(t *catalog.Table, k *catalog.ForeignKey) error {
		parent := s.tx.snap.Table(k.RefTable)
		x, ok := s.tx.snap.IndexByID(k.RefIndex)
		for i, c := range k.Columns {
			row := fields{"constraint_catalog": dText(s.database()), "constraint_schema": dText(t.SchemaName), "constraint_name": dText(k.Name),
				"table_catalog": dText(s.database()), "table_schema": dText(t.SchemaName), "table_name": dText(t.Name),
				"column_name": dText(t.Column(c).Name), "ordinal_position": dInt(int64(i + 1))}
			for j := 0; ok && parent != nil && j < len(x.Index.Columns); j++ {
				if x.Index.Columns[j].Column == k.RefColumns[i] {
					row["position_in_unique_constraint"] = dInt(int64(j + 1))
				}
			}
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// referencedColumns yields the rows of constraint_column_usage: those that are referred
// to.
func referencedColumns(s *Session, yield func(fields) error) error {
	return eachForeignKey(s, func(t *catalog.Table, k *catalog.ForeignKey) error {
		parent := s.tx.snap.Table(k.RefTable)
		for _, c := range k.RefColumns {
			if err := yield(fields{"constraint_catalog": dText(s.database()), "constraint_schema": dText(t.SchemaName), "constraint_name": dText(k.Name),
				"table_catalog": dText(s.database()), "table_schema": dText(parent.SchemaName), "table_name": dText(parent.Name),
				"column_name": dText(parent.Column(c).Name)}); err != nil {
				return err
			}
		}
		return nil
	})
}
