package sql

import (
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/types"
)

func infoSchemata(s *Session, yield func(fields) error) error {
	for _, sc := range s.tx.snap.Schemas() {
		err := yield(fields{"catalog_name": dText(s.database()), "schema_name": dText(sc.Name), "schema_owner": s.ownerName(sc.OwnerID())})
		if err != nil {
			return err
		}
	}
	return nil
}

func infoTables(s *Session, yield func(fields) error) error {
	return eachTable(s, true, func(t *catalog.Table) error {
		if t.Sequence != nil {
			return nil
		}
		kind := "BASE TABLE"
		switch {
		case isView(t):
			kind = "VIEW"
		case t.Temp:
			kind = "LOCAL TEMPORARY"
		}
		return yield(fields{"table_catalog": dText(s.database()), "table_schema": dText(t.SchemaName), "table_name": dText(t.Name),
			"table_type": dText(kind), "is_insertable_into": dYes(!t.Virtual), "is_typed": dYes(false)})
	})
}

func infoColumns(s *Session, yield func(fields) error) error {
	return eachTable(s, true, func(t *catalog.Table) error {
		for i := range t.Columns {
			c := &t.Columns[i]
			if c.Hidden || c.Dropped || t.Sequence != nil {
				continue
			}
			row := fields{"table_catalog": dText(s.database()), "table_schema": dText(t.SchemaName), "table_name": dText(t.Name),
				"column_name": dText(c.Name), "ordinal_position": dInt(int64(c.ID)), "is_nullable": dYes(!c.NotNull),
				"udt_catalog": dText(s.database()), "udt_schema": dText("pg_catalog"), "dtd_identifier": dText(itoa(int(c.ID))),
				"is_self_referencing": dYes(false), "is_identity": dYes(false), "identity_cycle": dYes(false), "is_generated": dText("NEVER"),
				"is_updatable": dYes(!t.Virtual)}
			if c.Generated != "" {
				row["is_generated"], row["generation_expression"] = dText("ALWAYS"), dText(s.generatedText(t, c))
			} else if c.Default != "" {
				row["column_default"] = dText(s.defaultText(c))
			}
			if q := s.tx.snap.Table(c.Sequence); c.Identity != 0 && q != nil {
				generation := "BY DEFAULT"
				if c.Identity == 'a' {
					generation = "ALWAYS"
				}
				row["is_identity"], row["identity_generation"] = dYes(true), dText(generation)
				row["identity_start"], row["identity_increment"] = dText(itoa64(q.Sequence.Start)), dText(itoa64(q.Sequence.Increment))
				row["identity_maximum"], row["identity_minimum"] = dText(itoa64(q.Sequence.Max)), dText(itoa64(q.Sequence.Min))
				row["identity_cycle"] = dYes(q.Sequence.Cycle)
			}
			if !c.Type.IsDomain() {
				s.describeUDT(row, c.Type)
			} else {
				d := c.Type.Def()
				s.describeUDT(row, d.Base)
				row["domain_catalog"], row["domain_schema"], row["domain_name"] = dText(s.database()), dText(d.Schema), dText(d.Name)
			}
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// describeType fills in what information_schema.columns says of a type.
func describeType(row fields, t types.Type) {
	if info, ok := t.Info(); ok {
		row["udt_name"] = dText(info.Name)
	}
	row["data_type"] = dText(t.Bare().String())
	if t.IsArray() {
		row["data_type"] = dText("ARRAY")
		return
	}
	precision := func(n, radix int64) {
		row["numeric_precision"], row["numeric_precision_radix"] = dInt(n), dInt(radix)
	}
	switch t.OID {
	case types.OIDInt2:
		precision(16, 2)
		row["numeric_scale"] = dInt(0)
	case types.OIDInt4:
		precision(32, 2)
		row["numeric_scale"] = dInt(0)
	case types.OIDInt8:
		precision(64, 2)
		row["numeric_scale"] = dInt(0)
	case types.OIDFloat4:
		precision(24, 2)
	case types.OIDFloat8:
		precision(53, 2)
	case types.OIDNumeric:
		row["numeric_precision_radix"] = dInt(10)
		if t.Typmod >= 4 {
			precision(int64((t.Typmod-4)>>16), 10)
			row["numeric_scale"] = dInt(int64((t.Typmod - 4) & 0x7ff))
		}
	case types.OIDText:
		row["character_octet_length"] = dInt(1 << 30)
	case types.OIDVarchar, types.OIDBpchar:
		row["character_octet_length"] = dInt(1 << 30)
		if t.Typmod >= 4 {
			row["character_maximum_length"] = dInt(int64(t.Typmod - 4))
			row["character_octet_length"] = dInt(4 * int64(t.Typmod-4))
		}
	case types.OIDDate:
		row["datetime_precision"] = dInt(0)
	case types.OIDTime, types.OIDTimetz, types.OIDTimestamp, types.OIDTimestamptz, types.OIDInterval:
		row["datetime_precision"] = dInt(6)
		if t.Typmod >= 0 && t.OID != types.OIDInterval {
			row["datetime_precision"] = dInt(int64(t.Typmod))
		}
	}
}

// constraint is one row of table_constraints.
func (s *Session) constraint(t *catalog.Table, name, kind string) fields {
	return fields{"constraint_catalog": dText(s.database()), "constraint_schema": dText(t.SchemaName), "constraint_name": dText(name),
		"table_catalog": dText(s.database()), "table_schema": dText(t.SchemaName), "table_name": dText(t.Name), "constraint_type": dText(kind),
		"is_deferrable": dYes(false), "initially_deferred": dYes(false), "enforced": dYes(true)}
}

// notNullName is the name that information_schema makes up for NOT NULL.
func notNullName(t *catalog.Table, c *catalog.Column) string {
	return itoa(int(t.Schema)) + "_" + itoa(int(t.ID)) + "_" + itoa(int(c.ID)) + "_not_null"
}

func infoTableConstraints(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		var rows []fields
		for _, c := range t.Checks {
			rows = append(rows, s.constraint(t, c.Name, "CHECK"))
		}
		for i := range t.Indexes {
			switch ix := &t.Indexes[i]; {
			case ix.ConstraintID == 0:
			case ix.IsPrimaryKey():
				rows = append(rows, s.constraint(t, ix.Name, "PRIMARY KEY"))
			default:
				row := s.constraint(t, ix.Name, "UNIQUE")
				row["nulls_distinct"] = dYes(true)
				rows = append(rows, row)
			}
		}
		for i := range t.ForeignKeys {
			k := &t.ForeignKeys[i]
			row := s.constraint(t, k.Name, "FOREIGN KEY")
			row["is_deferrable"], row["initially_deferred"] = dYes(k.Deferrable), dYes(k.Deferred)
			rows = append(rows, row)
		}
		for i := range t.Columns {
			if c := &t.Columns[i]; c.NotNull && !c.Hidden && !c.Dropped {
				rows = append(rows, s.constraint(t, notNullName(t, c), "CHECK"))
			}
		}
		for _, r := range rows {
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachKeyColumn calls f with every column of a primary key or unique constraint.
func (s *Session) eachKeyColumn(f func(row fields, position int) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		for i := range t.Indexes {
			ix := &t.Indexes[i]
			if ix.ConstraintID == 0 {
				continue
			}
			for j, k := range ix.Columns {
				row := fields{"constraint_catalog": dText(s.database()), "constraint_schema": dText(t.SchemaName), "constraint_name": dText(ix.Name),
					"table_catalog": dText(s.database()), "table_schema": dText(t.SchemaName), "table_name": dText(t.Name),
					"column_name": dText(t.Column(k.Column).Name)}
				if err := f(row, j+1); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func infoKeyColumnUsage(s *Session, yield func(fields) error) error {
	err := s.eachKeyColumn(func(row fields, position int) error {
		row["ordinal_position"] = dInt(int64(position))
		return yield(row)
	})
	if err != nil {
		return err
	}
	return foreignKeyColumns(s, yield)
}

func infoConstraintColumnUsage(s *Session, yield func(fields) error) error {
	err := s.eachKeyColumn(func(row fields, _ int) error { return yield(row) })
	if err == nil {
		err = referencedColumns(s, yield)
	}
	if err != nil {
		return err
	}
	return eachTable(s, false, func(t *catalog.Table) error {
		for _, c := range t.Checks {
			for _, id := range c.Columns {
				row := s.constraint(t, c.Name, "")
				for _, other := range []string{"constraint_type", "is_deferrable", "initially_deferred", "enforced"} {
					delete(row, other)
				}
				row["column_name"] = dText(t.Column(id).Name)
				if err := yield(row); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func infoCheckConstraints(s *Session, yield func(fields) error) error {
	err := eachDomain(s, func(u *catalog.UserType, d *types.Def) error {
		for _, c := range u.Domain.Checks {
			if err := yield(fields{"constraint_catalog": dText(s.database()), "constraint_schema": dText(u.SchemaName), "constraint_name": dText(c.Name),
				"check_clause": dText("(" + s.domainCheckText(d, c.Expr) + ")")}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return eachTable(s, false, func(t *catalog.Table) error {
		row := func(name, clause string) error {
			return yield(fields{"constraint_catalog": dText(s.database()), "constraint_schema": dText(t.SchemaName), "constraint_name": dText(name), "check_clause": dText(clause)})
		}
		for i := range t.Checks {
			if err := row(t.Checks[i].Name, "("+s.checkText(t, &t.Checks[i])+")"); err != nil {
				return err
			}
		}
		for i := range t.Columns {
			if c := &t.Columns[i]; c.NotNull && !c.Hidden && !c.Dropped {
				if err := row(notNullName(t, c), c.Name+" IS NOT NULL"); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// defaultText is a default as pg_get_expr prints it: as it was understood, with
// the types of its literals.
func (s *Session) defaultText(c *catalog.Column) string {
	text, err := plan.DefaultText(s.planOptions(c.Default, nil), c)
	if err != nil {
		text = c.Default // what was written says the same
	}
	return s.nameSequences(text)
}

// nameSequences puts the names of sequences in the place of their numbers.
func (s *Session) nameSequences(text string) string {
	const head, tail = "nextval('", "'::regclass)"
	at := strings.Index(text, head)
	if at < 0 {
		return text
	}
	rest := text[at+len(head):]
	end := strings.Index(rest, tail)
	if end < 0 {
		return text
	}
	id, err := strconv.ParseUint(rest[:end], 10, 32)
	if err != nil {
		return text
	}
	name, ok := objectNames{s}.ObjectName(types.OIDRegClass, types.OID(id))
	if !ok {
		return text
	}
	return text[:at] + head + name + tail + s.nameSequences(rest[end+len(tail):])
}

// checkText is a CHECK condition, likewise.
func (s *Session) checkText(t *catalog.Table, c *catalog.Check) string {
	text, err := plan.CheckText(s.planOptions(c.Expr, nil), t, c)
	if err != nil {
		return "(" + c.Expr + ")"
	}
	return text
}
