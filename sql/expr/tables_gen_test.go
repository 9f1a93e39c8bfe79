package expr

import (
	"bytes"
	"context"
	"fmt"
	"go/format"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/sql/types"
)

// pgURL names a real PostgreSQL 15 server. Without it the tests that ask one are
// skipped; the files they made are checked in.
const pgURL = "QUORATE_POSTGRES_URL"

func connect(t *testing.T) *pgx.Conn {
	t.Helper()
	url := os.Getenv(pgURL)
	if url == "" {
		t.Skip(pgURL + " is not set: no PostgreSQL to ask")
	}
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// TestRegenerateTables writes tables.go from a server's catalogue. It fails if a
// kernel belongs to no function, which is a misspelt signature.
func TestRegenerateTables(t *testing.T) {
	conn := connect(t)
	if os.Getenv("QUORATE_REGENERATE") == "" {
		t.Skip("QUORATE_REGENERATE is not set")
	}
	ctx := context.Background()
	k := allKernels()
	system := map[string]bool{}
	for _, n := range strings.Fields(systemFuncs) {
		system[n] = true
	}
	const argNames = `(select coalesce(string_agg(t.typname, ',' order by o), '') from unnest(p.proargtypes) with ordinality a(x, o) join pg_type t on t.oid = x)`
	rows, err := conn.Query(ctx, `
		select p.oid, p.proname, `+argNames+`, p.prorettype::oid,
		       case when p.proretset then 's' else p.prokind::text end,
		       case when p.proisstrict then 's' else '' end ||
		       case p.provolatile when 's' then 'S' when 'v' then 'V' else '' end ||
		       case when p.provariadic <> 0 then 'v' else '' end,
		       case when p.pronargdefaults > 0 then replace(pg_get_expr(p.proargdefaults, 0), ', ', ';') else '' end,
		       case when p.proargmodes @> '{o}' then coalesce((select string_agg(p.proargnames[n] || ' ' || t.typname, ',' order by n)
		         from generate_subscripts(p.proallargtypes, 1) n join pg_type t on t.oid = p.proallargtypes[n] where p.proargmodes[n] in ('o', 't')), '') else '' end,
		       case when p.proargmodes is null then coalesce(array_to_string(p.proargnames, ','), '')
		         else coalesce((select string_agg(p.proargnames[n], ',' order by n) from generate_subscripts(p.proargnames, 1) n where p.proargmodes[n] in ('i', 'v', 'b')), '') end
		from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind <> 'p' order by p.oid`)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	out.WriteString(`package expr

// The functions, operators and casts of PostgreSQL 15 that are built here, made
// from its catalogue by TestRegenerateTables: do not edit.

// procRows: OID, name, arguments, result, kind, flags, defaults, columns, names.
var procRows = []procRow{
`)
	used, names, unbuilt := map[string]bool{}, map[string]bool{}, map[string]bool{}
	flagsOf := map[string]string{}
	for rows.Next() {
		var oid, result uint32
		var name, args, kind, flags, defaults, outs, names_ string
		if err := rows.Scan(&oid, &name, &args, &result, &kind, &flags, &defaults, &outs, &names_); err != nil {
			t.Fatal(err)
		}
		key := name + "(" + args + ")"
		flagsOf[key] = flags
		_, ok := k[key]
		if !ok && system[name] {
			ok = true
			for _, a := range strings.Split(args, ",") {
				info, found := types.LookupName(a)
				ok = ok && (a == "" || found && (types.Of(info.OID).IsBuilt() || info.Kind == 'p'))
			}
		}
		if !ok {
			unbuilt[name] = true
			continue
		}
		used[key], names[name] = true, true
		fmt.Fprintf(&out, "\t{%d, %q, %q, %d, '%s', %q, %q, %q, %q},\n", oid, name, args, result, kind, flags, defaults, outs, names_)
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	for key := range k {
		if !used[key] {
			t.Errorf("kernel %s belongs to no function", key)
		}
	}
	for n := range system {
		if !names[n] {
			t.Errorf("system function %s does not exist", n)
		}
	}
	out.WriteString("}\n\n// opRows: OID, name, left, right, result, function, flags, commutator, negator.\nvar opRows = []opRow{\n")
	rows, err = conn.Query(ctx, `
		select o.oid, o.oprname, o.oprleft::oid, o.oprright::oid, o.oprresult::oid, p.proname || '(' || `+argNames+` || ')',
		       coalesce((select oprname from pg_operator c where c.oid = o.oprcom), ''), coalesce((select oprname from pg_operator n where n.oid = o.oprnegate), '')
		from pg_operator o join pg_proc p on p.oid = o.oprcode where o.oprnamespace = 'pg_catalog'::regnamespace order by o.oid`)
	if err != nil {
		t.Fatal(err)
	}
	opNames, opUnbuilt := map[string]bool{}, map[string]bool{}
	for rows.Next() {
		var oid, left, right, result uint32
		var name, proc, com, neg string
		if err := rows.Scan(&oid, &name, &left, &right, &result, &proc, &com, &neg); err != nil {
			t.Fatal(err)
		}
		if !used[proc] {
			opUnbuilt[name] = true
			continue
		}
		opNames[name] = true
		fmt.Fprintf(&out, "\t{%d, %q, %d, %d, %d, %q, %q, %q, %q},\n", oid, name, left, right, result, proc, flagsOf[proc], com, neg)
	}
	out.WriteString("}\n\n// castRows: from, to, context, binary, stable.\nvar castRows = []castRow{\n")
	rows, err = conn.Query(ctx, `select castsource::oid, casttarget::oid, castcontext::text, castmethod = 'b', coalesce(p.provolatile <> 'i', false)
		from pg_cast left join pg_proc p on p.oid = castfunc order by 1, 2`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var from, to uint32
		var context string
		var binary, stable bool
		if err := rows.Scan(&from, &to, &context, &binary, &stable); err != nil {
			t.Fatal(err)
		}
		if !types.Of(types.OID(from)).IsBuilt() || !types.Of(types.OID(to)).IsBuilt() || from == to {
			continue
		}
		if !binary && castKernel(types.OID(from), types.OID(to)) == nil {
			t.Errorf("cast %s to %s is not built", types.Of(types.OID(from)), types.Of(types.OID(to)))
		}
		fmt.Fprintf(&out, "\t{%d, %d, '%s', %v, %v},\n", from, to, context, binary, stable)
	}
	out.WriteString("}\n\n// unbuiltNames are the functions of PostgreSQL 15 of which no overload is built.\nconst unbuiltNames = `\n")
	var list []string
	for n := range unbuilt {
		if !names[n] && !strings.HasPrefix(n, "binary_upgrade") {
			list = append(list, n)
		}
	}
	sort.Strings(list)
	line := 0
	for _, n := range list {
		if line += len(n) + 1; line > 110 {
			out.WriteString("\n")
			line = len(n) + 1
		}
		out.WriteString(n + " ")
	}
	out.WriteString("`\n\n// unbuiltOperators are the operators of which no overload is built.\nconst unbuiltOperators = `\n")
	list = list[:0]
	for n := range opUnbuilt {
		if !opNames[n] {
			list = append(list, n)
		}
	}
	sort.Strings(list)
	out.WriteString(strings.Join(list, " ") + "`\n")
	src, err := format.Source(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("tables.go", src, 0o644); err != nil {
		t.Fatal(err)
	}
}
