package server

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/quorate-db/quorate/txn"
)

// metricsHandler serves the node's metrics in Prometheus' text form.
func (n *Node) metricsHandler() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, f func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "quorate_" + name, Help: help}, f))
	}
	counter := func(name, help string, f func() float64) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "quorate_" + name, Help: help}, f))
	}
	gauge("replicas", "Replicas on this store.", func() float64 { return float64(n.store.Stats().Replicas) })
	gauge("raft_log_bytes", "About what the raft logs of all regions on this store take.", func() float64 { return float64(n.store.Stats().LogBytes) })
	gauge("leaders", "Regions that this store leads.", func() float64 { return float64(n.store.Stats().Leaders) })
	counter("proposals_total", "Commands proposed to Raft.", func() float64 { return float64(n.store.Stats().Proposals) })
	counter("lease_reads_total", "Reads served under a lease.", func() float64 { return float64(n.store.Stats().LeaseReads) })
	counter("read_index_reads_total", "Reads that confirmed the leadership with a quorum.", func() float64 { return float64(n.store.Stats().ReadIndexReads) })
	counter("splits_total", "Splits of regions led here.", func() float64 { return float64(n.store.Stats().Splits) })
	counter("load_splits_total", "Splits of regions led here because of the requests that they got.", func() float64 { return float64(n.store.Stats().LoadSplits) })
	counter("log_syncs_total", "Batches of log entries that were synced.", func() float64 { return float64(n.store.Stats().Driver.LogSyncs) })
	counter("timestamp_requests_total", "Requests to the timestamp oracle.", func() float64 { return float64(n.oracle.Fetches()) })
	for name, f := range map[string]func(txn.Stats) uint64{
		"one_phase": func(s txn.Stats) uint64 { return s.OnePhase },
		"async":     func(s txn.Stats) uint64 { return s.Async },
		"two_phase": func(s txn.Stats) uint64 { return s.TwoPhase },
		"conflict":  func(s txn.Stats) uint64 { return s.Conflicts },
		"unknown":   func(s txn.Stats) uint64 { return s.Unknown },
	} {
		counter("transactions_"+name+"_total", "Transactions by how they ended.", func() float64 { return float64(f(n.txn.Stats())) })
	}
	gauge("sessions", "Sessions of clients of this node.", func() float64 { return float64(n.sql.Sessions()) })
	counter("statement_errors_total", "Statements of clients that ended with an error.", func() float64 { return float64(n.sql.StatementTotals().Errors) })
	counter("statement_retries_total", "Statements that the server has run again by itself.", func() float64 { return float64(n.sql.StatementTotals().Retries) })
	reg.MustRegister(statementSeconds{n})
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

// statementSeconds is the histogram of how long the statements of clients took.
type statementSeconds struct{ n *Node }

var statementSecondsDesc = prometheus.NewDesc("quorate_statement_seconds", "How long statements of clients took, failed ones included.", nil, nil)

// statementBounds are the buckets that are shown; stmtstats counts finer.
var statementBounds = []time.Duration{256 * time.Microsecond, 512 * time.Microsecond, 1024 * time.Microsecond, 2048 * time.Microsecond, 4096 * time.Microsecond,
	8192 * time.Microsecond, 16384 * time.Microsecond, 32768 * time.Microsecond, 65536 * time.Microsecond, 131072 * time.Microsecond,
	262144 * time.Microsecond, 524288 * time.Microsecond, 1048576 * time.Microsecond, 4194304 * time.Microsecond, 16777216 * time.Microsecond}

func (s statementSeconds) Describe(c chan<- *prometheus.Desc) { c <- statementSecondsDesc }

func (s statementSeconds) Collect(c chan<- prometheus.Metric) {
	t := s.n.sql.StatementTotals()
	buckets := make(map[float64]uint64, len(statementBounds))
	for _, b := range statementBounds {
		buckets[b.Seconds()] = t.Durations.Below(b)
	}
	c <- prometheus.MustNewConstHistogram(statementSecondsDesc, t.Calls+t.Errors, t.Took.Seconds(), buckets)
}
