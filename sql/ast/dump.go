package ast

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Dump writes a tree in a fixed form for tests and logs: one node per parenthesis, fields by name, zero values and positions left out.
func Dump(n any) string {
	var b strings.Builder
	dump(&b, reflect.ValueOf(n), false)
	return b.String()
}

// DumpPositions is Dump with the byte offset of every node that has one, as @offset.
func DumpPositions(n any) string {
	var b strings.Builder
	dump(&b, reflect.ValueOf(n), true)
	return b.String()
}

func dump(b *strings.Builder, v reflect.Value, positions bool) {
	switch v.Kind() {
	case reflect.Invalid:
		b.WriteString("nil")
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			b.WriteString("nil")
			return
		}
		dump(b, v.Elem(), positions)
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(' ')
			}
			dump(b, v.Index(i), positions)
		}
		b.WriteByte(']')
	case reflect.Struct:
		dumpStruct(b, v, positions)
	case reflect.String:
		b.WriteString(strconv.Quote(v.String()))
	default:
		fmt.Fprintf(b, "%v", v.Interface())
	}
}

// dumpStruct writes (Type field:value …). Name-like structs become their text.
func dumpStruct(b *strings.Builder, v reflect.Value, positions bool) {
	switch n := v.Interface().(type) {
	case Name:
		b.WriteString(strconv.Quote(n.String()))
		dumpPos(b, n.Pos, positions)
		return
	case OpName:
		b.WriteString(strconv.Quote(n.String()))
		return
	case Ident:
		b.WriteString(strconv.Quote(n.Name))
		dumpPos(b, n.Pos, positions)
		return
	case TypeName:
		b.WriteString(strconv.Quote(n.String()))
		return
	}
	t := v.Type()
	b.WriteByte('(')
	b.WriteString(t.Name())
	for i := range t.NumField() {
		f := v.Field(i)
		if t.Field(i).Name == "At" {
			dumpPos(b, f.Interface().(At).Pos, positions)
			continue
		}
		if f.IsZero() {
			continue
		}
		b.WriteByte(' ')
		b.WriteString(strings.ToLower(t.Field(i).Name))
		if f.Kind() == reflect.Bool {
			continue
		}
		b.WriteByte(':')
		dump(b, f, positions)
	}
	b.WriteByte(')')
}

func dumpPos(b *strings.Builder, p Pos, positions bool) {
	if positions && p > 0 {
		b.WriteByte('@')
		b.WriteString(strconv.Itoa(p.Offset()))
	}
}

// String is the type as PostgreSQL would show a name it has not looked up: parts with dots, modifiers, array bounds.
func (t TypeName) String() string {
	var b strings.Builder
	if t.SetOf {
		b.WriteString("setof ")
	}
	b.WriteString(Name{Catalog: t.Catalog, Schema: t.Schema, Name: t.Name}.String())
	if t.IntervalFields != "" {
		b.WriteString(" " + t.IntervalFields)
	}
	for i, m := range t.Mods {
		if i == 0 {
			b.WriteByte('(')
		} else {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(m)))
	}
	if len(t.Mods) > 0 {
		b.WriteByte(')')
	}
	for range t.ArrayDims {
		b.WriteString("[]")
	}
	return b.String()
}
