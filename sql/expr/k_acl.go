package expr

import (
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// aclLetters are the privileges that the text of an aclitem knows, by their letter.
var aclLetters = map[byte]string{'a': "INSERT", 'r': "SELECT", 'w': "UPDATE", 'd': "DELETE", 'D': "TRUNCATE", 'x': "REFERENCES", 't': "TRIGGER",
	'X': "EXECUTE", 'U': "USAGE", 'C': "CREATE", 'T': "TEMPORARY", 'c': "CONNECT", 's': "SET", 'A': "ALTER SYSTEM"}

// acl has the functions of lists of privileges.
func (k kernels) acl() {
	k.set("aclexplode(_aclitem)", func(ctx *EvalContext, _ *Signature, a []datum) (SetIter, error) {
		var rows [][]datum
		for _, item := range a[0].Array().Elems {
			if item.IsNull() {
				return nil, sqlerr.New(sqlerr.NullValueNotAllowed, "ACL arrays must not contain null values")
			}
			add, err := explode(ctx, item.Str())
			if err != nil {
				return nil, err
			}
			rows = append(rows, add...)
		}
		return countedRows(4, len(rows), func(i int, row []datum) error {
			copy(row, rows[i])
			return nil
		}), nil
	})
}

// explode takes one entry apart: grantor, grantee (0 for everybody), the name of a
// privilege, and whether it may be passed on.
func explode(ctx *EvalContext, item string) (rows [][]datum, err error) {
	grantee, rest := aclRole(item)
	letters, grantor, ok := strings.Cut(strings.TrimPrefix(rest, "="), "/")
	if !ok || !strings.HasPrefix(rest, "=") {
		return nil, sqlerr.Internal("aclitem %q", item)
	}
	grantor, _ = aclRole(grantor)
	oids := [2]types.OID{}
	for i, name := range []string{grantor, grantee} {
		if name == "" {
			continue
		}
		if ctx.Format == nil || ctx.Format.Names == nil {
			return nil, sqlerr.Unsupported("function aclexplode")
		}
		if oids[i], err = ctx.Format.Names.ObjectOID(types.OIDRegRole, QuoteIdent(name)); err != nil {
			return nil, err
		}
	}
	for i := 0; i < len(letters); i++ {
		name, ok := aclLetters[letters[i]]
		if !ok {
			continue // the star of the one before
		}
		option := i+1 < len(letters) && letters[i+1] == '*'
		rows = append(rows, []datum{types.NewOID(oids[0]), types.NewOID(oids[1]), types.NewString(name), types.NewBool(option)})
	}
	return rows, nil
}

// aclRole reads the name of a role at the beginning of text, in quotes where it is not
// made of letters, digits and underscores only.
func aclRole(text string) (name, rest string) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' && quoted && i+1 < len(text) && text[i+1] == '"':
			name += `"`
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '=' || c == '/'):
			return name, text[i:]
		default:
			name += text[i : i+1]
		}
	}
	return name, ""
}
