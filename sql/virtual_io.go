package sql

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/types"
)

// ioText lists the functions that pg_type refers to (typinput, typsend and so on): OID,
// name, type of the result and those of the arguments. Nobody can call them; drivers
// tell types apart by their names.
//
//go:embed virtual_io.txt
var ioText string

type ioFunc struct {
	oid    types.OID
	name   string
	result types.OID
	args   []int64
}

// ioFuncs are those of ioText, by their OIDs in rising order.
var ioFuncs = sync.OnceValue(func() (list []ioFunc) {
	for line := range strings.Lines(ioText) {
		f := strings.Fields(line)
		nums := make([]int64, 0, len(f))
		for i, x := range f {
			n, err := strconv.ParseInt(x, 10, 64)
			if err != nil && i != 1 {
				panic("virtual_io.txt: " + line)
			}
			nums = append(nums, n)
		}
		list = append(list, ioFunc{oid: types.OID(nums[0]), name: f[1], result: types.OID(nums[2]), args: nums[3:]})
	}
	return list
})

// ioFuncName is the name of such a function.
func ioFuncName(oid types.OID) (string, bool) {
	for _, f := range ioFuncs() {
		if f.oid == oid {
			return f.name, true
		}
	}
	return "", false
}

// pgProcIO lists them in pg_proc, but for those that can be called.
func pgProcIO(s *Session, yield func(fields) error) error {
	for _, f := range ioFuncs() {
		if _, ok := s.e.exprs.FuncByOID(f.oid); ok {
			continue
		}
		err := yield(fields{"oid": dOID(f.oid), "proname": dText(f.name), "pronamespace": dOID(catalog.SchemaPgCatalog), "proowner": dOID(ownerOID), "prolang": dOID(langInternal),
			"procost": types.NewFloat(1), "prorows": types.NewFloat(0), "provariadic": dOID(0), "prosupport": dOID(0), "prokind": dChar('f'),
			"prosecdef": dBool(false), "proleakproof": dBool(false), "proisstrict": dBool(true), "proretset": dBool(false), "provolatile": dChar('i'),
			"proparallel": dChar('s'), "pronargs": dInt(int64(len(f.args))), "pronargdefaults": dInt(0), "prorettype": dOID(f.result),
			"proargtypes": dVector(types.Oid, f.args), "prosrc": dText(f.name)})
		if err != nil {
			return err
		}
	}
	return nil
}
