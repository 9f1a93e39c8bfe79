// Package rowcodec turns rows of tables into key-value pairs and back.
//
//	primary index    t <table> <index> <key columns>             → row value
//	unique index     t <table> <index> <key columns>             → 0x01 primary key
//	 …with a NULL    t <table> <index> <key columns> primary key → 0x01
//	other index      t <table> <index> <key columns> primary key → 0x01
//
// Key columns are encoded by storage/keys so that bytes sort as values do.
//
// A row value is a version byte and then, for every stored column that is not
// NULL in ascending order of column numbers, a tag (uvarint: difference to the
// previous number << 4 | kind) and the payload of that kind. Columns that are
// absent are NULL, or what the column had as default when it was added (then NULL is
// written down), so adding a column to a table changes no row, and a reader skips the
// columns it does not want without looking at their contents.
//
// Key columns are left out of the row value where the key gives the value back
// exactly; numeric (scale), jsonb (scale of numbers), char(n) (blanks) and floats (negative zero) do not
// and are stored in both places.
//
// Everything here is a function over bytes. Decoded text refers to the memory of
// the value it was decoded from, which must not change afterwards. An Index may
// be used by many goroutines at once.
package rowcodec
