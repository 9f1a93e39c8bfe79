package server

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
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
	gauge("leaders", "Regions that this store leads.", func() float64 { return float64(n.store.Stats().Leaders) })
	counter("proposals_total", "Commands proposed to Raft.", func() float64 { return float64(n.store.Stats().Proposals) })
	counter("lease_reads_total", "Reads served under a lease.", func() float64 { return float64(n.store.Stats().LeaseReads) })
	counter("read_index_reads_total", "Reads that confirmed the leadership with a quorum.", func() float64 { return float64(n.store.Stats().ReadIndexReads) })
	counter("splits_total", "Splits of regions led here.", func() float64 { return float64(n.store.Stats().Splits) })
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}
