package rowcodec

import (
	"fmt"

	"github.com/cockroachdb/apd/v3"

	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// Kinds of a document in a key, in the order of documents. They are on disk.
const (
	jsonKeyEmpty byte = iota // an empty array that is the whole document
	jsonKeyNull
	jsonKeyString
	jsonKeyNumber
	jsonKeyFalse
	jsonKeyTrue
	jsonKeyArray
	jsonKeyObject
)

// appendJSONKey appends a document so that bytes sort as documents do (see
// types.CompareJSONB): the number of items goes before the items. Equal numbers of
// different scale are the same in it.
func appendJSONKey(dst []byte, b types.JSONDoc, root bool) []byte {
	switch b.Kind() {
	case types.JSONNull:
		return append(dst, jsonKeyNull)
	case types.JSONString:
		return keys.AppendString(append(dst, jsonKeyString), keys.Ascending, b.Text())
	case types.JSONNumber:
		var tmp apd.Decimal
		return keys.AppendDecimal(append(dst, jsonKeyNumber), keys.Ascending, b.Number().DecimalInto(&tmp))
	case types.JSONFalse:
		return append(dst, jsonKeyFalse)
	case types.JSONTrue:
		return append(dst, jsonKeyTrue)
	case types.JSONArray:
		if root && b.Len() == 0 {
			return append(dst, jsonKeyEmpty)
		}
		dst = keys.AppendInt(append(dst, jsonKeyArray), keys.Ascending, int64(b.Len()))
		for i := range b.Len() {
			dst = appendJSONKey(dst, b.Item(i), false)
		}
		return dst
	}
	dst = keys.AppendInt(append(dst, jsonKeyObject), keys.Ascending, int64(b.Len()))
	for i := range b.Len() {
		name, v := b.Member(i)
		dst = appendJSONKey(keys.AppendString(dst, keys.Ascending, name), v, false)
	}
	return dst
}

// jsonKeyDepthMax bounds the nesting of a key that is read; values nest less.
const jsonKeyDepthMax = 10000

// decodeJSONKey reads a document that equals the one of the key.
func decodeJSONKey(b []byte) (types.Datum, error) {
	n, rest, err := readJSONKey(b, 0)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("malformed jsonb in a key")
	}
	if err != nil {
		return types.Null, err
	}
	doc, err := types.EncodeJSONB(n)
	return types.NewJSONB(doc), err
}

func readJSONKey(b []byte, depth int) (*types.JSONNode, []byte, error) {
	bad := fmt.Errorf("malformed jsonb in a key")
	if len(b) == 0 || depth > jsonKeyDepthMax {
		return nil, nil, bad
	}
	kind := b[0]
	b = b[1:]
	switch kind {
	case jsonKeyEmpty:
		return &types.JSONNode{Kind: types.JSONArray}, b, nil
	case jsonKeyNull:
		return &types.JSONNode{Kind: types.JSONNull}, b, nil
	case jsonKeyFalse:
		return &types.JSONNode{Kind: types.JSONFalse}, b, nil
	case jsonKeyTrue:
		return &types.JSONNode{Kind: types.JSONTrue}, b, nil
	case jsonKeyString:
		rest, s, err := keys.DecodeString(b)
		return &types.JSONNode{Kind: types.JSONString, Str: s}, rest, err
	case jsonKeyNumber:
		rest, v, err := keys.DecodeDecimal(b)
		if err != nil {
			return nil, nil, err
		}
		return &types.JSONNode{Kind: types.JSONNumber, Num: types.NewNumeric(v)}, rest, nil
	case jsonKeyArray, jsonKeyObject:
	default:
		return nil, nil, bad
	}
	b, count, err := keys.DecodeInt(b)
	if err != nil || count < 0 || count > int64(len(b)) {
		return nil, nil, bad
	}
	var members []types.JSONMember
	n := &types.JSONNode{Kind: types.JSONArray}
	for range count {
		var name string
		if kind == jsonKeyObject {
			if b, name, err = keys.DecodeString(b); err != nil {
				return nil, nil, err
			}
		}
		var v *types.JSONNode
		if v, b, err = readJSONKey(b, depth+1); err != nil {
			return nil, nil, err
		}
		if kind == jsonKeyObject {
			members = append(members, types.JSONMember{Name: name, Value: v})
		} else {
			n.Items = append(n.Items, v)
		}
	}
	if kind == jsonKeyObject {
		n = types.NewJSONObject(members)
	}
	return n, b, nil
}
