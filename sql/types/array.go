package types

// Array is the value of an array of any number of dimensions up to MaxArrayDims,
// of an int2vector or of an oidvector.
type Array struct {
	// Elem is the type of the elements.
	Elem Type
	// Dims is empty for the empty array, which has no dimensions.
	Dims []Dim
	// Elems holds the elements in row-major order; its length is the product of
	// the dimensions' lengths.
	Elems []Datum
}

// Dim is one dimension of an array.
type Dim struct {
	Len   int32
	Lower int32 // the first subscript, 1 unless said otherwise
}

// MaxArrayDims is PostgreSQL's MAXDIM.
const MaxArrayDims = 6

// MaxArrayElems bounds the elements of one array, as PostgreSQL's
// MaxArraySize does.
const MaxArrayElems = (1<<30 - 1) / 8

// NewArrayOf returns a one-dimensional array from 1 on, or the empty array. It
// takes over elems.
func NewArrayOf(elem Type, elems []Datum) *Array {
	if len(elems) == 0 {
		return &Array{Elem: elem}
	}
	return &Array{Elem: elem, Dims: []Dim{{Len: int32(len(elems)), Lower: 1}}, Elems: elems}
}

// NewVector returns an int2vector or oidvector, which counts from 0.
func NewVector(elem Type, elems []Datum) *Array {
	return &Array{Elem: elem, Dims: []Dim{{Len: int32(len(elems)), Lower: 0}}, Elems: elems}
}

// HasNull reports whether an element is NULL.
func (a *Array) HasNull() bool {
	for _, e := range a.Elems {
		if e.IsNull() {
			return true
		}
	}
	return false
}
