package mvcc

import (
	"fmt"

	"github.com/quorate-db/quorate/storage/keys"
)

// FormatValue writes the value of a version, a lock or a mark for people, with what a
// row holds only if values is set. It is an error if the value is not what its key says.
func FormatValue(key, value []byte, values bool) (string, error) {
	d, err := keys.Decode(key)
	if err != nil {
		return "", err
	}
	row := func(text string, v []byte) string {
		if values && len(v) > 0 {
			return fmt.Sprintf("%s 0x%x", text, v)
		}
		return text
	}
	switch d.Kind {
	case keys.KindData:
		v, err := decodeVersion(value, d.TS)
		if err != nil {
			return "", err
		}
		return row(v.String(), v.Value), nil
	case keys.KindLock:
		l, err := decodeLock(value)
		if err != nil {
			return "", err
		}
		return row(l.String(), l.Value), nil
	case keys.KindRollback:
		return "rolled back", checkMark(value)
	}
	return "", fmt.Errorf("a value of kind %c is none of this package", d.Kind)
}
