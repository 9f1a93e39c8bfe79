// Package keys is the one map of the key space: every prefix, every builder and
// every parser of keys lives here, so that a person who meets a key in a log or
// a dump can name it.
//
// There are three kinds of key, and they must not be mixed up:
//
//   - A user key (type User) is what routers, regions and transactions address:
//     a plain byte string, ordered bytewise. See user.go for its first bytes and
//     datum.go for the encoding of SQL values inside it.
//
//   - A state engine key (type Encoded) is what the state engine stores. It wraps
//     a user key:
//
//     kind | user key | 0x00                            (no suffix)
//     kind | user key | 0x00 | inverted timestamp | 0x09 (a version)
//
//     The last byte is the length of the suffix with itself included, so the
//     engine splits a key without scanning it; 0x00 is both the sentinel and
//     "no suffix". Because of the sentinel, a user key and its extension keep
//     their order. The timestamp is stored inverted, big endian: newest first.
//
//   - A log engine key is what the raft log engine stores. It is ordered bytewise
//     and starts with a region id. See log.go.
//
// Builders come in two forms: Foo returns a new slice, AppendFoo appends to one
// that the caller owns. Parsers return sub-slices of their argument and never
// keep or change it. Nothing here panics on malformed input. All functions may
// be called concurrently.
package keys
