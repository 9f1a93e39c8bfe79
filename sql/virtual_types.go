package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/types"
)

func pgType(_ context.Context, s *Session, eq map[int]types.Datum, yield yieldRow) error {
	wanted := func(i *types.Info) bool {
		if want, ok := eq[0]; ok && want.OID() != i.OID {
			return false
		}
		if want, ok := eq[1]; ok && want.Str() != i.Name {
			return false
		}
		return true
	}
	for i := range types.All() {
		if wanted(i) {
			if err := yield(typeRow(i, catalog.SchemaPgCatalog, 0)); err != nil {
				return err
			}
		}
	}
	snap := s.tx.snap
	one := func(oid, schema catalog.ID) error {
		t, ok := snap.TypeByOID(oid)
		if !ok || oid == 0 {
			return nil
		}
		d := t.Def()
		if !wanted(&d.Info) {
			return nil
		}
		row := typeRow(&d.Info, schema, d.Rel)
		if u := snap.UserType(oid); u != nil {
			row[3] = dOID(u.OwnerID())
		} else if rel := snap.Table(d.Rel); rel != nil {
			row[3] = dOID(rel.OwnerID())
		}
		if d.Kind == types.KindOfDomain {
			row[24], row[25], row[26] = dBool(d.NotNull), dOID(d.Base.OID), dInt(int64(d.Base.Typmod))
			if d.Base.IsArray() {
				row[27] = dInt(1)
			}
			if d.Default != "" {
				row[30] = dText(s.domainDefaultText(d))
				row[29] = row[30]
			}
		}
		return yield(row)
	}
	for _, t := range snap.Tables() {
		if t.TypeID == 0 {
			continue
		}
		if err := one(t.TypeID, t.Schema); err != nil {
			return err
		}
		if err := one(t.ArrayTypeID, t.Schema); err != nil {
			return err
		}
	}
	for _, t := range snap.UserTypes() {
		if err := one(t.ID, t.Schema); err != nil {
			return err
		}
		if err := one(t.ArrayID, t.Schema); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) domainDefaultText(d *types.Def) string {
	c := &catalog.Column{Name: d.Name, Type: d.Base, Default: d.Default}
	return s.defaultText(c)
}

func pgEnum(s *Session, yield func(fields) error) error {
	for _, t := range s.tx.snap.UserTypes() {
		if t.Enum == nil {
			continue
		}
		for i, l := range t.Enum.Labels {
			if err := yield(fields{"oid": dOID(l.ID), "enumtypid": dOID(t.ID), "enumsortorder": types.NewFloat(float64(i + 1)), "enumlabel": dText(l.Name)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachDomain calls f with the domains that there are.
func eachDomain(s *Session, f func(u *catalog.UserType, d *types.Def) error) error {
	for _, u := range s.tx.snap.UserTypes() {
		if u.Domain == nil {
			continue
		}
		t, _ := s.tx.snap.TypeByOID(u.ID)
		if err := f(u, t.Def()); err != nil {
			return err
		}
	}
	return nil
}

// domainCheckText prints the condition of a domain's constraint.
func (s *Session) domainCheckText(d *types.Def, text string) string {
	out, err := plan.DomainCheckText(s.planOptions(text, nil), text, d.Base)
	if err != nil {
		return "(" + text + ")"
	}
	return out
}

// typeSchema is the name of the schema that a type is in.
func (s *Session) typeSchema(oid types.OID) string {
	if sc := s.tx.snap.TypeSchema(oid); sc != nil {
		return sc.Name
	}
	return "pg_catalog"
}

func infoDomains(s *Session, yield func(fields) error) error {
	return eachDomain(s, func(u *catalog.UserType, d *types.Def) error {
		row := fields{"domain_catalog": dText(s.database()), "domain_schema": dText(u.SchemaName), "domain_name": dText(u.Name),
			"udt_catalog": dText(s.database()), "dtd_identifier": dText("1")}
		s.describeUDT(row, d.Base)
		if d.Base.IsArray() {
			row["data_type"] = dText(s.typeText(s.tx.snap, d.Base))
		}
		if d.Default != "" {
			row["domain_default"] = dText(s.domainDefaultText(d))
		}
		return yield(row)
	})
}

// describeUDT is describeType with the schema of the type's name.
func (s *Session) describeUDT(row fields, t types.Type) {
	describeType(row, t)
	if t.IsUser() && !t.IsArray() {
		row["data_type"] = dText("USER-DEFINED")
	}
	row["udt_catalog"], row["udt_schema"] = dText(s.database()), dText(s.typeSchema(t.OID))
}

func infoDomainConstraints(s *Session, yield func(fields) error) error {
	return eachDomain(s, func(u *catalog.UserType, _ *types.Def) error {
		for _, c := range u.Domain.Checks {
			if err := yield(fields{"constraint_catalog": dText(s.database()), "constraint_schema": dText(u.SchemaName), "constraint_name": dText(c.Name),
				"domain_catalog": dText(s.database()), "domain_schema": dText(u.SchemaName), "domain_name": dText(u.Name),
				"is_deferrable": dYes(false), "initially_deferred": dYes(false)}); err != nil {
				return err
			}
		}
		return nil
	})
}

func infoDomainUDT(s *Session, yield func(fields) error) error {
	return eachDomain(s, func(u *catalog.UserType, d *types.Def) error {
		return yield(fields{"udt_catalog": dText(s.database()), "udt_schema": dText(s.typeSchema(d.Base.OID)), "udt_name": dText(d.Base.Name()),
			"domain_catalog": dText(s.database()), "domain_schema": dText(u.SchemaName), "domain_name": dText(u.Name)})
	})
}

func infoColumnDomains(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		for i := range t.Columns {
			c := &t.Columns[i]
			if c.Hidden || c.Dropped || !c.Type.IsDomain() {
				continue
			}
			d := c.Type.Def()
			if err := yield(fields{"domain_catalog": dText(s.database()), "domain_schema": dText(d.Schema), "domain_name": dText(d.Name),
				"table_catalog": dText(s.database()), "table_schema": dText(t.SchemaName), "table_name": dText(t.Name), "column_name": dText(c.Name)}); err != nil {
				return err
			}
		}
		return nil
	})
}

func infoUserTypes(s *Session, yield func(fields) error) error {
	for _, u := range s.tx.snap.UserTypes() {
		if u.Composite == nil {
			continue
		}
		if err := yield(fields{"user_defined_type_catalog": dText(s.database()), "user_defined_type_schema": dText(u.SchemaName),
			"user_defined_type_name": dText(u.Name), "user_defined_type_category": dText("STRUCTURED"), "is_instantiable": dYes(true)}); err != nil {
			return err
		}
	}
	return nil
}

func infoAttributes(s *Session, yield func(fields) error) error {
	for _, u := range s.tx.snap.UserTypes() {
		if u.Composite == nil {
			continue
		}
		t, _ := s.tx.snap.TypeByOID(u.ID)
		for _, f := range t.Def().Fields {
			row := fields{"udt_catalog": dText(s.database()), "udt_schema": dText(u.SchemaName), "udt_name": dText(u.Name),
				"attribute_name": dText(f.Name), "ordinal_position": dInt(int64(f.Num)), "is_nullable": dYes(true),
				"dtd_identifier": dText(itoa(int(f.Num))), "is_derived_reference_attribute": dYes(false)}
			inner := fields{}
			s.describeUDT(inner, f.Type.Base())
			for k, v := range inner {
				switch k {
				case "udt_catalog", "udt_schema", "udt_name":
					k = "attribute_" + k
				}
				row[k] = v
			}
			if err := yield(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// compositeClass yields the rows of pg_class for composite types.
func compositeClass(s *Session, oid types.Datum, byOID bool, yield yieldRow) error {
	for _, u := range s.tx.snap.UserTypes() {
		if u.Composite == nil || byOID && oid.OID() != u.Composite.Rel {
			continue
		}
		n := 0
		for _, c := range u.Composite.Columns {
			if !c.Dropped {
				n++
			}
		}
		row := classRow(u.Composite.Rel, u.Name, u.Schema, 'c', n, u.ID, 0, 0)
		row[25] = dChar('n')
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

// compositeAttributes yields the rows of pg_attribute for composite types.
func compositeAttributes(s *Session, rel types.Datum, byRel bool, yield yieldRow) error {
	for _, u := range s.tx.snap.UserTypes() {
		if u.Composite == nil || byRel && rel.OID() != u.Composite.Rel {
			continue
		}
		for _, c := range u.Composite.Columns {
			if err := yield(columnRow(s, u.Composite.Rel, &c, s.tx.snap.Attach(c.Type))); err != nil {
				return err
			}
		}
	}
	return nil
}

// columnRow is a column's row of pg_attribute.
func columnRow(s *Session, rel types.OID, c *catalog.Column, t types.Type) []types.Datum {
	row := attributeRow(rel, c.Name, t, c.ID)
	row[13], row[14] = dBool(c.NotNull), dBool(c.Default != "")
	row[16], row[22] = dChar(c.Identity), dACL(s, c.ACL)
	if c.Generated != "" {
		row[14], row[17] = dBool(true), dChar('s')
	}
	if c.Dropped {
		row[1] = dText("........pg.dropped." + itoa(int(c.ID)) + "........")
		row[2], row[18] = dOID(0), dBool(true)
	}
	return row
}

// domainConstraints yields the rows of pg_constraint for domains.
func domainConstraints(s *Session, yield yieldRow) error {
	return eachDomain(s, func(u *catalog.UserType, d *types.Def) error {
		for _, c := range u.Domain.Checks {
			row := constraintRow(c.ID, c.Name, &catalog.Table{Schema: u.Schema}, 'c', 0, nil, dText(s.domainCheckText(d, c.Expr)))
			row[6], row[8], row[17], row[18] = dBool(!c.Unvalidated), dOID(u.ID), dBool(false), types.Null
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	})
}
