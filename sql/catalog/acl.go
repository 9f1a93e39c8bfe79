package catalog

import (
	"context"
	"sort"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Privileges is a set of privileges on an object.
type Privileges uint16

// The privileges, in PostgreSQL's order.
const (
	Insert Privileges = 1 << iota
	Select
	Update
	Delete
	Truncate
	References
	Trigger
	Execute
	Usage
	Create
	Temporary
	Connect
)

// privilegeNames has name and letter of each, by bit.
var privilegeNames = [...]struct {
	name   string
	letter byte
}{
	{"INSERT", 'a'}, {"SELECT", 'r'}, {"UPDATE", 'w'}, {"DELETE", 'd'}, {"TRUNCATE", 'D'}, {"REFERENCES", 'x'}, {"TRIGGER", 't'},
	{"EXECUTE", 'X'}, {"USAGE", 'U'}, {"CREATE", 'C'}, {"TEMPORARY", 'T'}, {"CONNECT", 'c'},
}

// ParsePrivilege returns the privilege of a name in any case; ok is false for none.
func ParsePrivilege(name string) (p Privileges, ok bool) {
	name = strings.ToUpper(name)
	if name == "TEMP" {
		return Temporary, true
	}
	for i, n := range privilegeNames {
		if n.name == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// Names lists the privileges of a set.
func (p Privileges) Names() []string {
	var out []string
	for i, n := range privilegeNames {
		if p&(1<<i) != 0 {
			out = append(out, n.name)
		}
	}
	return out
}

// ObjectClass is a kind of object that has privileges of its own.
type ObjectClass uint8

// The classes.
const (
	ClassTable ObjectClass = iota
	ClassColumn
	ClassSequence
	ClassSchema
	ClassDatabase
	ClassFunction
	ClassType
	ClassLanguage
)

// All returns the privileges that exist on objects of the class.
func (c ObjectClass) All() Privileges {
	switch c {
	case ClassTable:
		return Insert | Select | Update | Delete | Truncate | References | Trigger
	case ClassColumn:
		return Insert | Select | Update | References
	case ClassSequence:
		return Select | Update | Usage
	case ClassSchema:
		return Usage | Create
	case ClassDatabase:
		return Create | Temporary | Connect
	case ClassFunction:
		return Execute
	}
	return Usage
}

// public is what everybody has by default.
func (c ObjectClass) public() Privileges {
	switch c {
	case ClassDatabase:
		return Temporary | Connect
	case ClassFunction:
		return Execute
	case ClassType, ClassLanguage:
		return Usage
	}
	return 0
}

// Grant is what one role has given another. Grantable is the part that the grantee
// may pass on.
type Grant struct {
	Grantee    ID         `json:"grantee,omitempty"` // Everybody for PUBLIC
	Grantor    ID         `json:"grantor"`
	Privileges Privileges `json:"privileges,omitempty"`
	Grantable  Privileges `json:"grantable,omitempty"`
}

// ACL lists who has which privileges on an object. It is immutable; nil is what
// everybody has by default (see Default), which an empty list is not.
type ACL []Grant

// Default returns the list of an object whose privileges nobody has changed.
func (c ObjectClass) Default(owner ID) ACL {
	var a ACL
	if p := c.public(); p != 0 {
		a = append(a, Grant{Grantee: Everybody, Grantor: owner, Privileges: p})
	}
	if c == ClassColumn {
		return ACL{}
	}
	// The owner's right to pass them on needs no entry.
	return append(a, Grant{Grantee: owner, Grantor: owner, Privileges: c.All()})
}

// Of returns the list a, or the default one if it is nil.
func (c ObjectClass) Of(a ACL, owner ID) ACL {
	if a == nil {
		return c.Default(owner)
	}
	return a
}

// Has returns which of want a role has by the list of an object, itself or through
// memberships that inherit. The owner has only what the list says; a superuser has
// everything, Everybody and Everybody and roles that do not exist what PUBLIC has.
func (s *Snapshot) Has(a ACL, role ID, want Privileges) Privileges {
	if r := s.roles[role]; r != nil && r.Super {
		return want
	}
	var got Privileges
	for _, g := range a {
		if g.Privileges&want&^got != 0 && (g.Grantee == Everybody || s.HasRights(role, g.Grantee)) {
			got |= g.Privileges & want
		}
	}
	return got
}

// Grantable returns which of want a role may pass on, and as whom: an owner, or a
// superuser, grants as the owner; somebody else as a role that holds them with the
// grant option.
func (s *Snapshot) Grantable(a ACL, owner, role ID, want Privileges) (grantor ID, can Privileges) {
	if s.HasRights(role, owner) {
		return owner, want
	}
	grantor = role
	for _, g := range a {
		if g.Grantee == Everybody || !s.HasRights(role, g.Grantee) {
			continue
		}
		// Of several roles the one that can grant the most is taken, the role itself first.
		if p := s.optionsOf(a, owner, g.Grantee) & want; count(p) > count(can) || p != 0 && count(p) == count(can) && g.Grantee == role {
			grantor, can = g.Grantee, p
		}
	}
	return grantor, can
}

func count(p Privileges) int {
	n := 0
	for ; p != 0; p &= p - 1 {
		n++
	}
	return n
}

// optionsOf returns what exactly this role may pass on.
func (s *Snapshot) optionsOf(a ACL, owner, role ID) Privileges {
	if role == owner {
		return ^Privileges(0)
	}
	var p Privileges
	for _, g := range a {
		if g.Grantee == role {
			p |= g.Grantable
		}
	}
	return p
}

// grant returns a with privileges added.
func (a ACL) grant(grantor, grantee ID, p Privileges, option bool) ACL {
	out := append(ACL{}, a...)
	at := -1
	for i := range out {
		if out[i].Grantor == grantor && out[i].Grantee == grantee {
			at = i
		}
	}
	if at < 0 {
		out, at = append(out, Grant{Grantee: grantee, Grantor: grantor}), len(out)
	}
	out[at].Privileges |= p
	if option {
		out[at].Grantable |= p
	}
	return out
}

// Give returns the list of an object after GRANT. A grant option cannot be given
// back to who it comes from.
func (s *Snapshot) Give(a ACL, owner, grantor, grantee ID, p Privileges, option bool) (ACL, error) {
	if option {
		if grantee == Everybody {
			return nil, sqlerr.New(sqlerr.InvalidGrantOperation, "grant options can only be granted to roles")
		}
		if grantee != owner && s.dependsOn(a, owner, grantor, grantee, p) {
			return nil, sqlerr.New(sqlerr.InvalidGrantOperation, "grant options cannot be granted back to your own grantor")
		}
	}
	return a.grant(grantor, grantee, p, option), nil
}

// dependsOn reports whether role has some of p only because on gave it.
func (s *Snapshot) dependsOn(a ACL, owner, role, on ID, p Privileges) bool {
	if role == owner {
		return false
	}
	if role == on {
		return true
	}
	for _, g := range a {
		if g.Grantee == role && g.Grantable&p != 0 && s.dependsOn(a, owner, g.Grantor, on, p) {
			return true
		}
	}
	return false
}

// Take returns the list of an object after REVOKE: the privileges, or only the
// options to pass them on. What the grantee has passed on goes too with cascade;
// without, it is an error (2BP01).
func (s *Snapshot) Take(a ACL, owner, grantor, grantee ID, p Privileges, optionOnly, cascade bool) (ACL, error) {
	out := append(ACL{}, a...)
	before := s.optionsOf(a, owner, grantee)
	for i := range out {
		if out[i].Grantor != grantor || out[i].Grantee != grantee {
			continue
		}
		out[i].Grantable &^= p
		if !optionOnly {
			out[i].Privileges &^= p
		}
	}
	out = out.compact()
	lost := before &^ s.optionsOf(out, owner, grantee) & p
	if lost == 0 || grantee == Everybody {
		return out, nil
	}
	for again := true; again; {
		again = false
		for _, g := range out {
			if g.Grantor != grantee || g.Privileges&lost == 0 {
				continue
			}
			if !cascade {
				return nil, sqlerr.New(sqlerr.DependentObjectsStillExist, "dependent privileges exist").
					WithHint("Use CASCADE to revoke them too.")
			}
			var err error
			if out, err = s.Take(out, owner, g.Grantor, g.Grantee, lost, false, true); err != nil {
				return nil, err
			}
			again = true
			break
		}
	}
	return out, nil
}

// compact drops entries that give nothing.
func (a ACL) compact() ACL {
	out := ACL{}
	for _, g := range a {
		if g.Privileges != 0 {
			out = append(out, g)
		}
	}
	return out
}

// Owned returns the list after the owner has changed: what the old one had given
// and had is the new one's.
func (a ACL) Owned(from, to ID) ACL {
	if a == nil {
		return nil
	}
	out := ACL{}
	for _, g := range a {
		if g.Grantee == from {
			g.Grantee = to
		}
		if g.Grantor == from {
			g.Grantor = to
		}
		merged := false
		for i := range out {
			if out[i].Grantee == g.Grantee && out[i].Grantor == g.Grantor {
				out[i].Privileges |= g.Privileges
				out[i].Grantable |= g.Grantable
				merged = true
			}
		}
		if !merged {
			out = append(out, g)
		}
	}
	return out
}

// Mentions reports whether a role is in the list.
func (a ACL) Mentions(role ID) bool {
	for _, g := range a {
		if g.Grantee == role || g.Grantor == role {
			return true
		}
	}
	return false
}

// Text prints an entry as the type aclitem does: grantee=privileges/grantor, a star
// behind what may be passed on. name prints a role.
func (g Grant) Text(name func(ID) string) string {
	var b strings.Builder
	if g.Grantee != Everybody {
		b.WriteString(ACLName(name(g.Grantee)))
	}
	b.WriteByte('=')
	for i, n := range privilegeNames {
		if g.Privileges&(1<<i) != 0 {
			b.WriteByte(n.letter)
			if g.Grantable&(1<<i) != 0 {
				b.WriteByte('*')
			}
		}
	}
	b.WriteByte('/')
	b.WriteString(ACLName(name(g.Grantor)))
	return b.String()
}

// ACLName is the name of a role as the type aclitem prints it: in quotes, unless it is
// made of letters, digits and underscores of ASCII.
func ACLName(name string) string {
	plain := strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
	if plain {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// DefaultACL is what ALTER DEFAULT PRIVILEGES has set: the privileges of objects
// that a role creates, in one schema or (Schema 0) in all.
type DefaultACL struct {
	ID     ID          `json:"id"`
	Role   ID          `json:"role"`
	Schema ID          `json:"schema,omitempty"`
	Class  ObjectClass `json:"class"`
	// ACL replaces the default list where Schema is 0; else it is added to it.
	ACL ACL `json:"acl"`
}

// DefaultACLs returns all of them ordered by id.
func (s *Snapshot) DefaultACLs() []*DefaultACL {
	out := make([]*DefaultACL, 0, len(s.defaultACLs))
	for _, d := range s.defaultACLs {
		out = append(out, d)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// DefaultACL finds what is set for a role's objects of a class; nil for nothing.
func (s *Snapshot) DefaultACL(role, schema ID, c ObjectClass) *DefaultACL {
	for _, d := range s.defaultACLs {
		if d.Role == role && d.Schema == schema && d.Class == c {
			return d
		}
	}
	return nil
}

// NewACL returns the list of an object that a role is about to create; nil if it is
// the default one.
func (s *Snapshot) NewACL(role, schema ID, c ObjectClass) ACL {
	all, here := s.DefaultACL(role, Everybody, c), s.DefaultACL(role, schema, c)
	if schema == 0 {
		here = nil
	}
	if all == nil && here == nil {
		return nil
	}
	a := c.Default(role)
	if all != nil {
		a = append(ACL{}, all.ACL...)
	}
	if here != nil {
		for _, g := range here.ACL {
			a = a.grant(g.Grantor, g.Grantee, g.Privileges, false)
			if g.Grantable != 0 {
				a = a.grant(g.Grantor, g.Grantee, g.Grantable, true)
			}
		}
	}
	return a
}

// PutDefaultACL adds d or replaces the one of the same id.
func (ch *Change) PutDefaultACL(ctx context.Context, d *DefaultACL) error {
	if err := ch.begin(ctx, false); err != nil {
		return err
	}
	if err := ch.write(ctx, d.ID, descriptor{DefaultACL: d}); err != nil {
		return err
	}
	ch.snap.defaultACLs[d.ID] = d
	return nil
}

// DropDefaultACL removes d.
func (ch *Change) DropDefaultACL(ctx context.Context, d *DefaultACL) error {
	if err := ch.begin(ctx, false); err != nil {
		return err
	}
	if err := ch.w.Delete(ctx, descKey(d.ID)); err != nil {
		return err
	}
	delete(ch.snap.defaultACLs, d.ID)
	return nil
}

// DatabaseInfo is what can be changed of the database.
type DatabaseInfo struct {
	ID      ID     `json:"id"`
	Owner   ID     `json:"owner"`
	ACL     ACL    `json:"acl,omitzero"`
	Comment string `json:"comment,omitempty"`
	// Settings are what every session begins with (ALTER ROLE ALL SET).
	Settings []Setting `json:"settings,omitempty"`
	// MockSecret gives roles without a password a salt; random, and made with the first
	// password.
	MockSecret []byte `json:"mock_secret,omitempty"`
}

// Database returns the description of the database.
func (s *Snapshot) Database() *DatabaseInfo { return s.database }

// PutDatabase replaces the description of the database.
func (ch *Change) PutDatabase(ctx context.Context, d *DatabaseInfo) error {
	if err := ch.begin(ctx, false); err != nil {
		return err
	}
	if err := ch.write(ctx, d.ID, descriptor{Database: d}); err != nil {
		return err
	}
	ch.snap.database = d
	return nil
}
