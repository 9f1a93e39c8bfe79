# Object identifier types: section 8.19, and polymorphic functions.
create type mood as enum ('sad', 'ok')
create table tab (a int primary key, m mood)
create schema s2
create table s2.tab2 (a int)
create table "Tab X" (a int)
# nobin
select 'tab'::regclass, 'public.tab'::regclass, 's2.tab2'::regclass, '"Tab X"'::regclass, 'pg_class'::regclass, 'tab_pkey'::regclass, '-'::regclass, 0::regclass
# nobin
select 'nope'::regclass
# nobin
select 's2.nope'::regclass
# nobin
select 'nope.tab'::regclass
# nobin
select 'tab'::regclass::oid = (select oid from pg_class where relname = 'tab'), 'tab'::regclass::text, 'pg_class'::regclass::oid, 1259::regclass, '1259'::regclass, 999999::regclass
# nobin
select 'int4'::regtype, 'integer'::regtype, 'varchar(10)'::regtype, 'int[]'::regtype, '_int4'::regtype, 'timestamp with time zone'::regtype, 'mood'::regtype, 'mood[]'::regtype, 'tab'::regtype, 'pg_catalog.text'::regtype
# nobin
select 'nope'::regtype
# nobin
select 's2.nope'::regtype
# nobin
select 'mood'::regtype::oid = (select oid from pg_type where typname = 'mood'), 23::regtype, '23'::regtype, 'mood'::regtype::text, 999999::regtype
# nobin
select 'now'::regproc, 'pg_catalog.now'::regproc
# nobin
select 'abs'::regproc
# nobin
select 'nope'::regproc
# nobin
select 'abs(int4)'::regprocedure, 'abs(double precision)'::regprocedure, 'now()'::regprocedure, 'substr(text,int,int)'::regprocedure
# nobin
select 'abs(text)'::regprocedure
# nobin
select 'abs'::regprocedure
# nobin
select 'abs(nope)'::regprocedure
select '+(int4,int4)'::regoperator, '-(none,int4)'::regoperator, '||(text,text)'::regoperator
select '+(int4)'::regoperator
select '+(text,bool)'::regoperator
select '+'::regoper
# nobin
select 'public'::regnamespace, 's2'::regnamespace, 'pg_catalog'::regnamespace, 11::regnamespace
# nobin
select 'nope'::regnamespace
select 'nope'::regrole
select '"C"'::regcollation, '"default"'::regcollation
# nobin
select to_regclass('tab'), to_regclass('nope'), to_regclass('s9.x'), to_regtype('mood'), to_regtype('nope'), to_regproc('now'), to_regproc('abs'), to_regprocedure('abs(int4)'), to_regprocedure('abs(text)'), to_regnamespace('s2'), to_regnamespace('nope'), to_regoperator('+(int4,int4)'), to_regoper('nope')
set search_path = s2
# nobin
select 'public.tab'::regclass, 'tab2'::regclass, 'public.mood'::regtype, 'sad'::public.mood::text, pg_typeof('sad'::public.mood)
# nobin
select 'tab'::regclass
set search_path = public
# nobin
select pg_typeof(1), pg_typeof('a'), pg_typeof('a'::text), pg_typeof(null), pg_typeof(1.5), pg_typeof(array[1]), pg_typeof(row(1)), pg_typeof('sad'::mood), pg_typeof(now())
# nobin
select format_type('mood'::regtype, -1), format_type('tab'::regtype, -1), format_type(1043, 14), format_type(23, null), format_type(999999, null), format_type(null, null), format_type(1043, -1), format_type(1042, 5)
select array_append(array['sad']::mood[], 'ok')::text, array_prepend('ok', array['sad']::mood[])::text, array_cat(array['sad']::mood[], array['ok']::mood[])::text, array_position(array['sad','ok']::mood[], 'ok'), array_remove(array['sad','ok']::mood[], 'sad')::text
select array_fill('sad'::mood, array[2])::text, unnest(array['ok','sad']::mood[])
select array_append(array['sad']::mood[], 1)
# nobin
select pg_typeof(array_agg(x)), pg_typeof(min(x)) from unnest(array['ok','sad']::mood[]) x
select lag(x) over (order by x), first_value(x) over (order by x), x from unnest(array['ok','sad']::mood[]) x
select 'sad'::mood in ('sad', 'ok'), 'sad'::mood in ('x')
select 'sad'::mood not in ('ok'), 'sad'::mood = any(array['sad','ok']::mood[]), 'sad' <> all(array['ok']::mood[])
# nobin
select relname from pg_class where oid = 'tab'::regclass
# nobin
select count(*) from pg_attribute where attrelid = 'tab'::regclass and attnum > 0
# nobin
select 'tab'::regclass = 'tab'::regclass, 'mood'::regtype = 'mood'::regtype, 'tab'::regclass::int8 > 16383
# nobin
select pg_type_is_visible('mood'::regtype), pg_table_is_visible('tab'::regclass), pg_table_is_visible('s2.tab2'::regclass)
prepare q1 (mood) as select $1, $1 > 'sad'
execute q1('ok')
execute q1('x')
prepare q2 as insert into tab values ($1, $2) returning *
execute q2(1, 'sad')
execute q2(2, 'nope')
prepare q3 as select a from tab where m = $1
execute q3('sad')
# nobin
select parameter_types from pg_prepared_statements order by name
