# Domains: section 8.18.
create domain posint as int check (value > 0)
create domain posint as int
create domain name3 as varchar(3) not null
create domain even as posint constraint is_even check (value % 2 = 0) default 2
create domain ints as int[] check (array_length(value, 1) < 3)
select 5::posint, '7'::posint, 3.6::posint, null::posint, 4::even, '8'::even, 'ab'::name3
select 0::posint
select '-1'::posint
select 'x'::posint
select 3::even
select (-2)::even
select null::name3
select 'abcdef'::name3, 'abcdef'::text::name3
# nobin
select null::even, pg_typeof(4::even), pg_typeof(4::even + 1), 4::even + 1, -(4::even), 4::even = 4, 5::posint > 4::even
select '{1,2}'::ints, ('{1,2}'::ints)[1], array_length('{1,2}'::ints, 1), '{1}'::ints || 5, 1 = any('{1,2}'::ints), '{1,2}'::ints || '{3}'::ints
select '{1,2,3}'::ints
select array[1,2,3]::ints
# nobin
select array[1,2]::posint[], '{3,4}'::posint[]
select array[1,0]::posint[]
select '{1,0}'::posint[]
select '{1,NULL}'::name3[]
create table d (a posint, b even, c name3 default 'x', d ints, primary key (a))
insert into d (a) values (1)
insert into d values (2, 4, 'abc', '{1}')
insert into d values (0, 4, 'abc', '{1}')
insert into d values (3, 5, 'abc', '{1}')
insert into d values (3, 4, null, '{1}')
insert into d values (3, 4, 'abcd', '{1}')
insert into d values (3, 4, 'abc', '{1,2,3}')
insert into d (a, c) values (4, default)
insert into d (a, b) select x, x * 2 from generate_series(5, 6) x
insert into d (a, b) select x, x from generate_series(7, 8) x
select * from d order by a
select a from d where a = 2
select a from d where a > 2 order by a
select a + 1, b, c || '!', d[1] from d where a in (2, 5) order by a
update d set b = b + 1 where a = 2
update d set b = b + 2 where a = 2
update d set d[2] = 7 where a = 2
update d set d[3] = 7 where a = 2
select * from d where a = 2
select min(a), max(b), sum(a), avg(b), string_agg(c, ',' order by a) from d
select distinct c from d
select a, count(*) from d group by a having a < 3 order by a
# nobin
select coalesce(a, 1), case when true then a else 1 end, pg_typeof(coalesce(a, 1)), pg_typeof(coalesce(a, a)), greatest(a, b) from d where a = 2
select a from d union select 1 order by 1
alter domain posint add check (value < 100)
alter domain posint add constraint small check (value < 5)
alter domain posint add constraint posint_check check (value < 50)
select 100::posint
alter domain posint drop constraint posint_check1
alter domain posint drop constraint nope
alter domain posint drop constraint if exists nope
select 100::posint
alter domain posint add constraint lt50 check (value < 50) not valid
select 60::posint
alter domain posint validate constraint lt50
alter domain posint validate constraint nope
alter domain posint rename constraint lt50 to under50
select 60::posint
alter domain even set default 10
insert into d (a) values (20)
alter domain even drop default
insert into d (a) values (21)
select a, b from d where a >= 20 order by a
alter domain even set not null
update d set b = 2 where b is null
alter domain even set not null
insert into d (a) values (22)
alter domain even drop not null
insert into d (a) values (22)
alter domain posint rename to natural_
# nobin
select 5::natural_, pg_typeof(5::natural_)
select 5::posint
alter domain natural_ rename to posint
alter domain d add check (value > 1)
alter domain int4 set not null
alter domain nope set not null
# nobin
select typname, typtype, typnotnull, typdefault, typbasetype::regtype, typtypmod, typndims, typcategory, typlen from pg_type where typtype = 'd' and typnamespace = 'public'::regnamespace order by 1
# nobin
select conname, contype, contypid::regtype, conrelid, convalidated, pg_get_constraintdef(oid) from pg_constraint where contypid <> 0 and connamespace = 'public'::regnamespace order by 1
select domain_name, data_type, character_maximum_length, domain_default, udt_schema, udt_name from information_schema.domains where domain_schema = 'public' order by 1
select constraint_name, domain_name from information_schema.domain_constraints where domain_schema = 'public' order by 1
select column_name, data_type, domain_name, udt_name from information_schema.columns where table_name = 'd' order by ordinal_position
select constraint_name, check_clause from information_schema.check_constraints where constraint_schema = 'public' and constraint_name not like '%not_null' order by 1
select domain_name, table_name, column_name from information_schema.column_domain_usage where domain_schema = 'public' order by 1, 3
drop domain posint
drop domain if exists nope
drop domain nope
create domain bad as int check (value > 'x')
create domain bad as int check (nope > 1)
create domain bad as int check (count(*) > 1)
create domain bad as int check (value in (select 1))
create domain bad as int check (value)
create domain bad as int default 'x'
create domain bad as int default 1 default 2
create domain bad as int null not null
create domain bad as int unique
create domain bad as int primary key
create domain bad as anyelement
create domain bad as nope
create domain col as text collate "C" check (value <> '')
create domain col2 as int collate "C"
select 'a'::col || 'b', length('abc'::col), upper('a'::col), 'a'::col like 'a%', 'a'::col < 'b'
select ''::col
create domain flag as boolean check (value)
select case when 't'::flag then 1 end, not 't'::flag, 't'::flag and true
select 'f'::flag
create domain lone as int constraint c1 check (value > 1) constraint c2 check (value < 9) constraint c0 check (value <> 5)
select 1::lone
select 5::lone
select 9::lone
create domain num as numeric(5,2)
select 1.234::num, '1.239'::num, 123456::num
select to_json(5::posint), json_build_array(4::even), row_to_json(d) from d where a = 2
select * from json_to_record('{"a": 0}') as x(a posint)
select * from json_to_record('{"a": 3}') as x(a posint, c name3)
select '(1,2)'::posint
drop domain name3 cascade
select a, b from d order by a limit 1
