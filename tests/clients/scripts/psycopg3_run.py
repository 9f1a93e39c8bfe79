# psycopg 3: server-side parameters, prepared statements, pipelines, binary COPY, cursors.
import os
import psycopg
from psycopg.types.json import Jsonb

ports = os.environ["CLIENT_PORTS"].split(",")
with psycopg.connect(port=ports[1 % len(ports)], autocommit=True) as c:
    c.execute("create table py3_t (id bigint generated always as identity primary key, name text not null unique, n int, doc jsonb, raw bytea)")
    try:
        with c.transaction():
            row = c.execute("insert into py3_t (name, n, doc, raw) values (%s, %s, %s, %s) returning id", ("one", 1, Jsonb({"a": 1}), b"\0\1")).fetchone()
        assert row == (1,), row
        for i in range(12):  # prepared by the sixth
            assert c.execute("select name, doc, raw from py3_t where id = %s", (1,)).fetchone() == ("one", {"a": 1}, b"\0\1")
        try:
            with c.transaction():
                c.execute("insert into py3_t (name) values (%s)", ("one",))
            raise SystemExit("a duplicate was taken")
        except psycopg.errors.UniqueViolation as e:
            assert e.diag.constraint_name == "py3_t_name_key"
        with c.pipeline():
            for i in range(20):
                c.execute("insert into py3_t (name, n) values (%s, %s)", ("p%d" % i, i))
        with c.cursor().copy("copy py3_t (name, n) from stdin (format binary)") as copy:
            copy.set_types(["text", "int4"])
            for i in range(100):
                copy.write_row(("b%d" % i, i))
        with c.transaction(), c.cursor("srv") as cur:
            cur.itersize = 25
            cur.execute("select id from py3_t order by id")
            assert len(list(cur)) == 121
        assert c.execute("select count(*) from py3_t where n = any(%s)", ([1, 2, 3],)).fetchone() == (7,)
        assert c.execute("select n from py3_t where name = %b", ("p7",)).fetchone(), "binary parameter"
    finally:
        c.execute("drop table py3_t")
print("ok")
