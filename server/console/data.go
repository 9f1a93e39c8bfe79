package console

import (
	"context"
	"time"
)

// Source is what the console shows. Everything answers within the context from what
// the node knows, without error: what is not known is left out. Safe for concurrent
// use.
type Source interface {
	// Snapshot is the cluster as it is now.
	Snapshot(ctx context.Context) *Snapshot
	// Load is what all nodes that answer did since a time, oldest first.
	Load(ctx context.Context, since time.Time) []LoadPoint
}

// Snapshot is one look at the cluster. Times are milliseconds since 1970.
type Snapshot struct {
	At         int64       `json:"at_ms"`
	Node       uint64      `json:"node_id"` // that was asked
	Version    string      `json:"version"`
	Health     Health      `json:"health"`
	Nodes      []Node      `json:"nodes"`
	Statements []Statement `json:"statements"` // at most StatementsMax, by total time
	Active     []Session   `json:"active"`     // running now, the longest first
	Waits      []Wait      `json:"waits"`
	Tables     []Table     `json:"tables"`
	Hot        []Region    `json:"hot"` // at most HotMax, by writes per second
	Jobs       []Job       `json:"jobs"`
	Load       []LoadPoint `json:"load"` // of the last minute
}

// What a snapshot has at most.
const (
	StatementsMax = 50
	ActiveMax     = 50
	CellsMax      = 96 // of a table
	TablesMax     = 60
	HotMax        = 12
	JobsMax       = 40
)

// Health is the text of quorate status. Stale: placement does not answer, so that
// what it told before is shown.
type Health struct {
	Healthy       bool      `json:"healthy"`
	Stale         bool      `json:"stale"`
	Problems      []Problem `json:"problems"`
	Notes         []Problem `json:"notes"`
	NodesLive     uint32    `json:"nodes_live"`
	NodesTotal    uint32    `json:"nodes_total"`
	Regions       uint32    `json:"regions"`
	Leaderless    uint32    `json:"regions_without_leader"`
	Short         uint32    `json:"regions_under_replicated"`
	SizeBytes     uint64    `json:"size_bytes"` // one copy
	SurvivesNodes uint32    `json:"survives_nodes"`
	Balanced      bool      `json:"balanced"`
}

// Problem is something that is wrong, why, and the command that mends it.
type Problem struct {
	What string `json:"what"`
	Why  string `json:"why"`
	Try  string `json:"try"`
}

// Node is a member of the cluster.
type Node struct {
	ID        uint64 `json:"id"`
	State     string `json:"state"`
	Live      bool   `json:"live"`
	SQL       string `json:"sql"`
	HTTP      string `json:"http"`
	Locality  string `json:"locality"`
	Version   string `json:"version"`
	Started   int64  `json:"started_ms"`
	Replicas  uint32 `json:"replicas"`
	Leaders   uint32 `json:"leaders"`
	Used      uint64 `json:"used_bytes"`
	Available uint64 `json:"available_bytes"`
	Capacity  uint64 `json:"capacity_bytes"`
}

// Statement is what a statement has cost on all nodes since they started.
type Statement struct {
	User    string  `json:"user"`
	Text    string  `json:"text"`
	Calls   uint64  `json:"calls"`
	Errors  uint64  `json:"errors"`
	Retries uint64  `json:"retries"`
	Rows    int64   `json:"rows"`
	TotalMS float64 `json:"total_ms"`
	MeanMS  float64 `json:"mean_ms"`
	P99MS   float64 `json:"p99_ms"`
	MaxMS   float64 `json:"max_ms"`
}

// Session is a session that runs a statement.
type Session struct {
	Node  uint64 `json:"node_id"`
	PID   uint32 `json:"pid"`
	User  string `json:"user"`
	State string `json:"state"`
	MS    int64  `json:"ms"` // since the statement began
	Text  string `json:"text"`
}

// Wait is a session that waits for the row locks of others.
type Wait struct {
	Node      uint64   `json:"node_id"`
	PID       uint32   `json:"pid"`
	Table     string   `json:"table"`
	MS        int64    `json:"ms"`
	Text      string   `json:"text"`
	BlockedBy []uint32 `json:"blocked_by"` // process ids
}

// Table is the heat strip of a table: its key space from left to right.
type Table struct {
	Name      string  `json:"name"`
	Regions   int     `json:"regions"`
	SizeBytes uint64  `json:"size_bytes"`
	Writes    float64 `json:"writes_per_second"`
	Cells     []Cell  `json:"cells"`
}

// Cell is one region, or several that lie side by side.
type Cell struct {
	Region  uint64  `json:"region_id"` // the first
	Regions int     `json:"regions"`
	Leader  uint64  `json:"leader"` // node; 0: unknown, or several
	Writes  float64 `json:"writes_per_second"`
	Bad     bool    `json:"bad"` // without a leader, or short of a replica
}

// Region is a region with its load.
type Region struct {
	ID        uint64  `json:"id"`
	Table     string  `json:"table"`
	Start     string  `json:"start"`
	End       string  `json:"end"`
	Leader    uint64  `json:"leader"`
	SizeBytes uint64  `json:"size_bytes"`
	Writes    float64 `json:"writes_per_second"`
}

// Job is an operator of placement: one step of balancing, repairing, splitting.
type Job struct {
	ID      uint64 `json:"id"`
	Kind    string `json:"kind"`
	Region  uint64 `json:"region_id"`
	Detail  string `json:"detail"`
	Reason  string `json:"reason"`
	State   string `json:"state"`
	Error   string `json:"error"`
	Created int64  `json:"created_ms"`
	Ended   int64  `json:"ended_ms"` // 0: runs
}

// LoadPoint is what all nodes did in the period that ends at At.
type LoadPoint struct {
	At         int64   `json:"at_ms"`
	Statements float64 `json:"statements_per_second"`
	Errors     float64 `json:"errors_per_second"`
	Retries    float64 `json:"retries_per_second"`
	Sessions   uint32  `json:"sessions"`
	P50MS      float64 `json:"p50_ms"`
	P99MS      float64 `json:"p99_ms"`
}
