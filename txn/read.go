package txn

import "context"

// Get returns the value of a key in the transaction's snapshot, or from its own
// writes.
func (t *Txn) Get(ctx context.Context, key []byte) (value []byte, found bool, err error) {
	return nil, false, &UnsupportedError{What: "Txn.Get"}
}

// BatchGet returns the values of keys in their order; a key may come twice.
func (t *Txn) BatchGet(ctx context.Context, keys [][]byte) ([]Result, error) {
	return nil, &UnsupportedError{What: "Txn.BatchGet"}
}

func (t *Txn) insert(ctx context.Context, items []KeyValue) error {
	return &UnsupportedError{What: "Txn.Insert"}
}
