package types

import "github.com/quorate-db/quorate/sql/jsonpath"

// parseJSONPath reads a path and keeps it in its normal form.
func parseJSONPath(s string) (Datum, error) {
	p, err := jsonpath.Parse(s)
	if err != nil {
		return Null, err
	}
	return NewString(p.String()), nil
}
