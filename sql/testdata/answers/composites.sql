# Composite types: section 8.16.
create type pair as (x int, y text)
create type pair as (a int)
create type bad as (x int, x int)
create type bad as (x nope)
create type bad as (x anyelement)
create type none as ()
create type nest as (p pair, ps pair[], n numeric(4,1))
# nobin
select row(1, 'a')::pair, (1, 'b c')::pair, '(3,)'::pair, '( 4 ,"q""x")'::pair, '(,)'::pair, row(null, null)::pair, null::pair
select '(1)'::pair
select '(1,2,3)'::pair
select '1,2'::pair
select '(1,2'::pair
select '(1,2)x'::pair
select '(x,2)'::pair
select row(1)::pair
select row(1, 2, 3)::pair
select row('x', 2)::pair
select row(1, true)::pair
select row(array[1], 'a')::pair
select 5::pair
select (row(1, 'a')::pair).x, (row(1, 'a')::pair).y, ('(7,z)'::pair).x
select (row(1, 'a')::pair).z
select (5).x
select (row(1, 'a')::pair).*
select ('(1,a)'::pair).*, 2 as k
select row(1, 'a')::pair = row(1, 'a')::pair, row(1, 'a')::pair = row(1, null)::pair, row(1, null)::pair = row(1, null)::pair, row(1, 'a')::pair < row(2, 'a')::pair, row(1, 'a')::pair = (1, 'a'), row(1, 'a')::pair is distinct from row(1, 'b')::pair, row(1, null)::pair is not distinct from row(1, null)::pair
select row(1, null) = row(1, null), row(1, 2) < row(1, 3), row(1, null) is distinct from row(1, null), row(1, 2) = row(1, 2), row(1, null) < row(2, null)
select row(null, null)::pair is null, row(1, null)::pair is null, row(1, null)::pair is not null, row(1, 'a')::pair is not null, null::pair is null, '(,)'::pair is null
# nobin
select row(row(1, 'a'), array[row(2, 'b')::pair], 1.26)::nest, '("(1,a)","{""(2,b)""}",3)'::nest
select (row(row(1, 'a'), array[row(2, 'b')::pair], 1.26)::nest).n, ((row(row(1, 'a'), array[row(2, 'b')::pair], 1.26)::nest).ps)[1].y, ((row(row(1, 'a'), null, 1)::nest).p).x
create table t (id int primary key, p pair, ps pair[], n nest)
insert into t values (1, row(1, 'one'), array[row(1, 'a')::pair, '(2,b)'], null)
insert into t values (2, '(2,two)', '{"(3,c)",NULL}', row(row(5, 'five'), null, 2.55))
insert into t values (3, null, null, null), (4, (null, 'four'), '{}', '(,,)')
insert into t values (5, row(1), null, null)
insert into t values (5, row('x', 'y'), null, null)
insert into t values (5, 7, null, null)
# nobin
select * from t order by id
select id, (p).x, (p).y, ((n).p).y, (n).n, (ps[1]).y from t order by id
select id, (p).* from t order by id
select (t).id, (t.p).x from t order by 1
# nobin
select t from t where id = 2
# nobin
select t.* from t where id = 4
# nobin
select p from t where p = row(2, 'two')::pair
select id from t where p is null order by id
select id from t where p is not null order by id
select id from t where (p).x > 1 order by id
select id, p::text, ps::text, t::text from t order by p nulls first, id
select (p).y || '!', count(*) from t group by p order by 1
select row_to_json(p), to_json(ps), row_to_json(t), to_jsonb(n) from t order by id
select json_agg(t order by id) from t
update t set p = row(9, 'nine') where id = 1
update t set p = row((p).x + 1, (p).y) where id = 1
select (p).x, (p).y from t where id = 1
# nobin
select pg_typeof(p), pg_typeof(t), pg_typeof(ps), pg_typeof(row(1, 2)), pg_typeof(t.*) from t where id = 1
create table u (a int, b text)
insert into u values (1, 'x'), (2, null)
# nobin
select u, (u).b, u is null, u is not null from u order by a
# nobin
select row(u.*), row(u.*, 1), (u.*)::text from u order by a
select u = u, u = row(1, 'x'), u = row(2, null)::u, u is distinct from row(2, null)::u, u <> row(1, 'x')::u from u order by a
# nobin
select '(5,five)'::u, row(6, 'six')::u, null::u
select (x.r).b from (select u as r from u) x order by 1
select (x).b from (select * from u) x order by 1
select x.b from (select row(1, 'q')::u as r) y, lateral (select (y.r).*) x
# nobin
select array_agg(u order by a) from u
select (array_agg(u order by a))[1].b from u
select u.a from u where u = (select v from u v where v.a = 2)
select a from u where u in (select v from u v) order by a
select a from u where row(a, b) in (select 1, 'x')
select l.a, r from u l left join u r on r.a = l.a + 1 order by 1
select l.a, r is null, r::text, row_to_json(r) from u l left join u r on r.a = l.a + 1 order by 1
select count(u), count(u.*), count(distinct u) from u
select coalesce(null::u, row(1, 'z')::u)::text, case when true then '(1,a)'::pair end::text, nullif(row(1, 'a')::pair, row(1, 'a')::pair)
# nobin
select json_populate_record(null::pair, '{"x": 1, "y": "q"}'), jsonb_populate_record(row(1, 'k')::pair, '{"x": 7}'), json_populate_record(row(1, 'k')::pair, null), json_populate_record(null::pair, null)
# nobin
select * from json_populate_record(null::pair, '{"x": 1, "y": {"z": 2}}')
# nobin
select * from jsonb_populate_recordset(null::pair, '[{"x": 1}, {"y": "b"}]')
# nobin
select * from json_populate_recordset(row(0, 'd')::pair, '[{"x": 1}, {"y": "b"}]') as r
# nobin
select r.x, r from jsonb_populate_recordset(null::pair, '[{"x": 1}, {"y": "b"}]') as r
# nobin
select jsonb_populate_recordset(null::pair, '[{"x": 1}, {"y": "b"}]')
# nobin
select * from jsonb_populate_record(null::nest, '{"p": {"x": 3}, "ps": [{"y": "w"}, null], "n": "1.25"}')
# nobin
select * from jsonb_populate_record(null::nest, '{"p": "(3,t)", "ps": "{\"(1,s)\"}"}')
# nobin
select json_populate_record(null::pair, '[1]')
# nobin
select json_populate_record(null::pair, '1')
# nobin
select json_populate_record(1, '{}')
# nobin
select json_populate_record(null::pair, '{"x": "q"}')
# nobin
select json_populate_recordset(null::pair, '{}')
# nobin
select jsonb_populate_recordset(null::pair, '{}')
# nobin
select json_populate_recordset(null::pair, '[1]')
# nobin
select * from json_to_record('{"p": {"x": 1, "y": "a"}, "q": [{"x": 2}]}') as z(p pair, q pair[])
select * from jsonb_to_recordset('[{"p": {"x": 1}}, {"p": null}, {}]') as z(p pair)
# nobin
select (json_populate_record(null::pair, '{"x": 1, "y": "q"}')).*
select * from unnest(array[row(1, 'a')::pair, row(2, 'b')::pair, null])
select unnest(array[row(1, 'a')::pair, null])::text
select * from unnest(array[row(1, 'a')::pair]) with ordinality
# nobin
select typname, typtype, typcategory, typlen, typalign, typrelid::regclass from pg_type where typname in ('pair', '_pair', 'u', '_u') order by 1
select relname, relkind, relnatts from pg_class where relname in ('pair', 'u') order by 1
# nobin
select attname, format_type(atttypid, atttypmod), attnum from pg_attribute where attrelid = 'nest'::regclass order by attnum
select udt_name, attribute_name, ordinal_position, data_type from information_schema.attributes where udt_schema = 'public' order by 1, 3
select user_defined_type_name, user_defined_type_category from information_schema.user_defined_types where user_defined_type_schema = 'public' order by 1
create domain apair as pair check ((value).x > 0)
select (row(1, 'a')::apair).x, '(1,b)'::apair
select row(0, 'a')::apair
select '(0,b)'::apair
alter type pair rename attribute y to why
select (p).why from t where id = 2
select (p).y from t where id = 2
alter type pair rename attribute nope to q
alter type pair rename attribute x to why
alter type u rename to v
create table pair (a int)
create table copy (a int, r u)
insert into copy select a, u from u
# nobin
select * from copy order by a
drop table u
drop type pair
drop table u cascade
select * from copy order by a
drop type pair cascade
# nobin
select * from t order by id
