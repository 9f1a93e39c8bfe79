# psycopg2: parameters, transactions, errors, named cursors, COPY, concurrency.
import io, os, threading
import psycopg2, psycopg2.errors, psycopg2.extras

def connect(i=0):
    ports = os.environ["CLIENT_PORTS"].split(",")
    return psycopg2.connect(port=ports[i % len(ports)])

c = connect()
cur = c.cursor()
cur.execute("create table py2_t (id serial primary key, name text not null unique, n numeric(10,2), at timestamptz, tags text[], doc jsonb)")
c.commit()
try:
    cur.execute("insert into py2_t (name, n, at, tags, doc) values (%s, %s, now(), %s, %s) returning id", ("o'ne", 12.5, ["a", "b c"], psycopg2.extras.Json({"k": [1, 2]})))
    assert cur.fetchone()[0] == 1
    c.commit()
    cur.execute("select name, n, tags, doc from py2_t where id = any(%s)", ([1, 2],))
    name, n, tags, doc = cur.fetchone()
    assert (name, str(n), tags, doc) == ("o'ne", "12.50", ["a", "b c"], {"k": [1, 2]}), (name, n, tags, doc)
    try:
        cur.execute("insert into py2_t (name) values (%s)", ("o'ne",))
        raise SystemExit("a duplicate was taken")
    except psycopg2.errors.UniqueViolation as e:
        assert e.diag.constraint_name == "py2_t_name_key", e.diag.constraint_name
    try:
        cur.execute("select 1")
        raise SystemExit("a failed block went on")
    except psycopg2.errors.InFailedSqlTransaction:
        c.rollback()
    psycopg2.extras.execute_values(cur, "insert into py2_t (name, n) values %s", [("v%d" % i, i) for i in range(500)])
    cur.copy_expert("copy py2_t (name, n) from stdin with (format csv)", io.StringIO("c1,1\nc2,\n"))
    c.commit()
    out = io.StringIO()
    cur.copy_expert("copy (select name from py2_t where name like 'c_' order by 1) to stdout", out)
    assert out.getvalue() == "c1\nc2\n", out.getvalue()
    named = c.cursor("srv")
    named.itersize = 50
    named.execute("select id from py2_t order by id")
    assert sum(1 for _ in named) == 503
    named.close()
    c.commit()
    cur.execute("update py2_t set n = 0 where id = 1")
    c.commit()

    def count(i):
        k = connect(i)
        for _ in range(10):
            with k, k.cursor() as u:
                u.execute("update py2_t set n = n + 1 where id = 1")
        k.close()

    threads = [threading.Thread(target=count, args=(i,)) for i in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    cur.execute("select n from py2_t where id = 1")
    assert cur.fetchone()[0] == 30
    c.commit()
finally:
    c.rollback()
    cur.execute("drop table py2_t")
    c.commit()
print("ok")
