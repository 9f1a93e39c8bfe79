package engine

// Metrics is what an operator watches of an engine. Counters start at zero with
// Open.
type Metrics struct {
	DiskBytes          uint64 // all files
	WALBytes           uint64 // live write-ahead log
	WALWrittenBytes    uint64 // counter: bytes written to the write-ahead log
	MemTableBytes      uint64
	Compactions        int64 // counter
	CompactionDebt     uint64
	FlushedBytes       uint64 // counter
	CompactedBytes     uint64 // counter
	ReadAmplification  int
	Files              int64
	CacheBytes         int64
	CacheHits          int64 // counter
	CacheMisses        int64 // counter
	WriteAmplification float64
}

// Metrics returns the present values; zero after Close.
func (e *Engine) Metrics() Metrics {
	if e.enter() != nil {
		return Metrics{}
	}
	defer e.leave()
	m := e.db.Metrics()
	t := m.Total()
	return Metrics{
		DiskBytes:          m.DiskSpaceUsage(),
		WALBytes:           m.WAL.Size,
		WALWrittenBytes:    m.WAL.BytesWritten,
		MemTableBytes:      m.MemTable.Size,
		Compactions:        m.Compact.Count,
		CompactionDebt:     m.Compact.EstimatedDebt,
		FlushedBytes:       t.TableBytesFlushed,
		CompactedBytes:     t.TableBytesCompacted,
		ReadAmplification:  m.ReadAmp(),
		Files:              t.TablesCount,
		CacheBytes:         m.BlockCache.Size,
		CacheHits:          m.BlockCache.Hits,
		CacheMisses:        m.BlockCache.Misses,
		WriteAmplification: t.WriteAmp(),
	}
}

// MetricsText returns all that Pebble knows, as a table for people.
func (e *Engine) MetricsText() string {
	if err := e.enter(); err != nil {
		return err.Error()
	}
	defer e.leave()
	return e.db.Metrics().String()
}
