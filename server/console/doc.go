// Package console is the web page that a node serves about its cluster: health,
// nodes, load, statements, regions, jobs. It shows and changes nothing; each panel
// names the command and the query that say the same.
//
//	GET  /console/          the page (static files, embedded)
//	GET  /console/events    server-sent events: a Snapshot as JSON every two seconds
//	GET  /console/load      the last hour of statements
//	POST /console/login     where logins are asked for: a role and its password
//
// The page asks for nothing but these paths, so that it works in a closed network,
// and any node serves it from its own memory when the cluster has no quorum; what
// is then old says so.
//
// # Who may look
//
// Without certificates and rules it is as open as the SQL port is then: the address
// that it listens on decides, and a request by another host name than an address or
// localhost is refused, because a foreign page might have sent it. With them it wants
// a client certificate, or the password of a role that the rules admit to the database
// postgres; and the role has to be a superuser or a member of pg_read_all_stats
// (pg_monitor).
//
// # Concurrency
//
// However many pages are open, the cluster is asked once for all of them, and not
// at all without any.
//
// The charts are drawn by uPlot (MIT licence, static/uplot.LICENSE): it is small,
// has no dependencies, and is still maintained.
package console
