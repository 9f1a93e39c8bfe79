package ast

func (d *deparser) orderBy(items []OrderItem) {
	d.s(" ORDER BY ")
	for i, it := range items {
		if i > 0 {
			d.s(", ")
		}
		d.expr(it.Expr)
		if it.Using.Name != "" {
			d.s(" USING ")
			d.op(it.Using)
		}
		if it.Desc {
			d.s(" DESC")
		}
		switch it.Nulls {
		case NullsFirst:
			d.s(" NULLS FIRST")
		case NullsLast:
			d.s(" NULLS LAST")
		}
	}
}

func (d *deparser) window(w *Window) {
	d.s("(")
	if w.Ref != "" {
		d.s(QuoteIdent(w.Ref))
	}
	if len(w.PartitionBy) > 0 {
		d.s(" PARTITION BY ")
		d.list(w.PartitionBy)
	}
	if len(w.OrderBy) > 0 {
		d.orderBy(w.OrderBy)
	}
	if f := w.Frame; f != nil {
		d.s(" ", [...]string{"RANGE", "ROWS", "GROUPS"}[f.Mode], " BETWEEN ")
		d.bound(f.Start)
		d.s(" AND ")
		d.bound(f.End)
		d.s([...]string{"", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES"}[f.Exclude])
	}
	d.s(")")
}

func (d *deparser) bound(b FrameBound) {
	switch b.Kind {
	case UnboundedPreceding:
		d.s("UNBOUNDED PRECEDING")
	case CurrentRow:
		d.s("CURRENT ROW")
	case UnboundedFollowing:
		d.s("UNBOUNDED FOLLOWING")
	case OffsetPreceding:
		d.expr(b.Offset)
		d.s(" PRECEDING")
	case OffsetFollowing:
		d.expr(b.Offset)
		d.s(" FOLLOWING")
	}
}

func (d *deparser) groupingSet(g *GroupingSet) {
	d.s([...]string{"", "ROLLUP ", "CUBE ", "GROUPING SETS "}[g.Kind], "(")
	d.list(g.Items)
	d.s(")")
}

func (d *deparser) columns(names []string) {
	if len(names) == 0 {
		return
	}
	d.s(" (")
	for i, n := range names {
		if i > 0 {
			d.s(", ")
		}
		d.s(QuoteIdent(n))
	}
	d.s(")")
}

// query writes a query. A CTE that changes data is shown as its tag: such a query cannot be stored in a view.
func (d *deparser) query(s *Select) {
	if s.With != nil {
		d.s("WITH ")
		if s.With.Recursive {
			d.s("RECURSIVE ")
		}
		for i, c := range s.With.CTEs {
			if i > 0 {
				d.s(", ")
			}
			d.s(QuoteIdent(c.Name))
			d.columns(c.Columns)
			d.s(" AS ", [...]string{"", "MATERIALIZED ", "NOT MATERIALIZED "}[c.Materialize], "(")
			if q, ok := c.Query.(*Select); ok {
				d.query(q)
			} else {
				d.s(c.Query.Tag())
			}
			d.s(")")
		}
		d.s(" ")
	}
	switch b := s.Body.(type) {
	case *SelectCore:
		d.core(b)
	case *Values:
		d.s("VALUES ")
		for i, r := range b.Rows {
			if i > 0 {
				d.s(", ")
			}
			d.s("(")
			d.list(r)
			d.s(")")
		}
	case *SetOp:
		d.sub(b.Left)
		d.s(" ", [...]string{"UNION", "INTERSECT", "EXCEPT"}[b.Kind])
		if b.All {
			d.s(" ALL")
		}
		d.s(" ")
		d.sub(b.Right)
	}
	if len(s.OrderBy) > 0 {
		d.orderBy(s.OrderBy)
	}
	if s.Offset != nil {
		d.s(" OFFSET ")
		d.expr(s.Offset)
	}
	if s.WithTies {
		d.s(" FETCH FIRST (")
		d.expr(s.Limit)
		d.s(") ROWS WITH TIES")
	} else if s.Limit != nil {
		d.s(" LIMIT ")
		d.expr(s.Limit)
	}
	for _, l := range s.Locking {
		d.s(" FOR ", [...]string{"KEY SHARE", "SHARE", "NO KEY UPDATE", "UPDATE"}[l.Strength])
		for i, n := range l.Of {
			if i == 0 {
				d.s(" OF ")
			} else {
				d.s(", ")
			}
			d.name(n)
		}
		d.s([...]string{"", " SKIP LOCKED", " NOWAIT"}[l.Wait])
	}
}

func (d *deparser) core(c *SelectCore) {
	d.s("SELECT")
	if c.Distinct {
		d.s(" DISTINCT")
	}
	if len(c.DistinctOn) > 0 {
		d.s(" DISTINCT ON (")
		d.list(c.DistinctOn)
		d.s(")")
	}
	for i, t := range c.Targets {
		if i > 0 {
			d.s(",")
		}
		d.s(" ")
		d.expr(t.Expr)
		if t.Label != "" {
			d.s(" AS ", QuoteIdent(t.Label))
		}
	}
	for i, t := range c.From {
		if i == 0 {
			d.s(" FROM ")
		} else {
			d.s(", ")
		}
		d.tableExpr(t)
	}
	if c.Where != nil {
		d.s(" WHERE ")
		d.expr(c.Where)
	}
	if len(c.GroupBy) > 0 {
		d.s(" GROUP BY ")
		if c.GroupByDistinct {
			d.s("DISTINCT ")
		}
		d.list(c.GroupBy)
	}
	if c.Having != nil {
		d.s(" HAVING ")
		d.expr(c.Having)
	}
	for i := range c.Windows {
		if i == 0 {
			d.s(" WINDOW ")
		} else {
			d.s(", ")
		}
		d.s(QuoteIdent(c.Windows[i].Name), " AS ")
		d.window(&c.Windows[i])
	}
}

func (d *deparser) alias(name string, columns []string) {
	if name != "" {
		d.s(" AS ", QuoteIdent(name))
		d.columns(columns)
	}
}

func (d *deparser) specs(cs []ColumnSpec) {
	if len(cs) == 0 {
		return
	}
	d.s("(")
	for i, c := range cs {
		if i > 0 {
			d.s(", ")
		}
		d.s(QuoteIdent(c.Name), " ")
		d.typeName(c.Type)
		if c.Collation != nil {
			d.s(" COLLATE ")
			d.name(*c.Collation)
		}
	}
	d.s(")")
}

func (d *deparser) tableExpr(t TableExpr) {
	switch n := t.(type) {
	case *TableRef:
		if n.Only {
			d.s("ONLY ")
		}
		d.name(n.Table)
		d.alias(n.Alias, n.Columns)
		if s := n.Sample; s != nil {
			d.s(" TABLESAMPLE ")
			d.name(s.Method)
			d.s("(")
			d.list(s.Args)
			d.s(")")
			if s.Repeatable != nil {
				d.s(" REPEATABLE (")
				d.expr(s.Repeatable)
				d.s(")")
			}
		}
	case *SubqueryRef:
		if n.Lateral {
			d.s("LATERAL ")
		}
		d.sub(n.Query)
		d.alias(n.Alias, n.Columns)
	case *FuncRef:
		d.funcRef(n)
	case *Join:
		d.join(n)
	}
}

func (d *deparser) funcRef(n *FuncRef) {
	if n.Lateral {
		d.s("LATERAL ")
	}
	if n.RowsFrom {
		d.s("ROWS FROM (")
	}
	for i, f := range n.Funcs {
		if i > 0 {
			d.s(", ")
		}
		d.expr(f.Expr)
		if len(f.Columns) > 0 {
			d.s(" AS ")
			d.specs(f.Columns)
		}
	}
	if n.RowsFrom {
		d.s(")")
	}
	if n.Ordinality {
		d.s(" WITH ORDINALITY")
	}
	if len(n.ColumnDefs) > 0 {
		d.s(" AS ")
		if n.Alias != "" {
			d.s(QuoteIdent(n.Alias), " ")
		}
		d.specs(n.ColumnDefs)
		return
	}
	d.alias(n.Alias, n.Columns)
}

func (d *deparser) join(n *Join) {
	d.s("(")
	d.tableExpr(n.Left)
	if n.Natural {
		d.s(" NATURAL")
	}
	d.s([...]string{" JOIN ", " LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN ", " CROSS JOIN "}[n.Kind])
	d.tableExpr(n.Right)
	switch {
	case n.On != nil:
		d.s(" ON ")
		d.expr(n.On)
	case len(n.Using) > 0:
		d.s(" USING (")
		for i, u := range n.Using {
			if i > 0 {
				d.s(", ")
			}
			d.s(QuoteIdent(u.Name))
		}
		d.s(")")
	}
	d.s(")")
}
