# Enumerated types: section 8.7 and 9.10.
create type color as enum ('red', 'green', 'blue')
create type color as enum ('x')
create type empty as enum ()
create type twice as enum ('b', 'a', 'Ä "x"', '')
select 'red'::color, 'green'::color > 'red', 'red'::color < 'green'::color, 'red'::color = 'red', 'blue'::color <> 'blue', null::color
select 'pink'::color
select 'RED'::color
select ' red'::color
select 1::color
select 'red'::text::color, 'red'::color::text, 'red'::color::varchar(2), 'red'::varchar::color
select 'red'::color = 'red'::text
select 'red'::color || 'x', 'a' || 'red'::color
select 'red'::color + 1
# nobin
select array['red','blue']::color[], '{red,NULL,blue}'::color[], array['red'::color, 'green'], ('{red,blue}'::color[])[2]
select '{red,pink}'::color[]
select array['red'::color] = array['red'::color], array['red','green']::color[] < array['red','blue']::color[], 'red'::color = any('{red,blue}'), 'green' = any('{red,blue}'::color[])
select enum_first(null::color), enum_last(null::color), enum_first('green'::color)
# nobin
select enum_range(null::color), enum_range('green'::color, null), enum_range(null, 'green'::color), enum_range('red'::color, 'green'), enum_range('blue'::color, 'red'), enum_range(null::empty)
select enum_first(null::empty)
select enum_first(null)
select enum_range(null::int)
create table paint (id int primary key, c color not null default 'green', m color[])
insert into paint values (1, 'blue', '{red}'), (2, 'red', null), (3, default, '{green,blue}')
insert into paint values (4, 'pink', null)
insert into paint values (4, 'red'::text, null)
insert into paint values (4, 1, null)
insert into paint select 4, 'green', array['red']
insert into paint select 5, 'red'::varchar, null
# nobin
select * from paint order by c, id
# nobin
select * from paint order by c desc nulls last, id
select c, count(*) from paint group by c order by c
select min(c), max(c), count(distinct c), array_agg(c order by c)::text from paint
select id from paint where c > 'red' order by id
select id from paint where c between 'green' and 'blue' order by id
select id from paint where c in ('red', 'blue') order by id
select id from paint where c::text like 'b%'
select distinct c from paint order by 1
create index paint_c on paint (c)
select id from paint where c = 'green' order by id
select id, c from paint where c >= 'green' order by c, id
select c, id from paint order by c, id limit 2
alter type color add value 'orange' before 'green'
alter type color add value 'black'
alter type color add value 'cyan' after 'green'
alter type color add value 'zero' before 'red'
alter type color add value 'red'
alter type color add value if not exists 'red'
alter type color add value 'x' before 'nope'
alter type color add value 'x' after 'nope'
alter type nope add value 'x'
alter type paint add value 'x'
alter type int4 add value 'x'
insert into paint values (10, 'orange'), (11, 'black'), (12, 'cyan'), (13, 'zero')
select id, c from paint order by c, id
select id, c from paint where c > 'red' and c < 'blue' order by c, id
select id, c from paint where c = 'orange'
# nobin
select enum_range(null::color)
# nobin
select enumlabel, rank() over (order by enumsortorder) from pg_enum where enumtypid = 'color'::regtype order by enumsortorder
alter type color rename value 'orange' to 'amber'
alter type color rename value 'nope' to 'x'
alter type color rename value 'red' to 'amber'
select id, c from paint where c = 'amber'
select 'orange'::color
alter type color rename to colour
select 'red'::color
# nobin
select 'red'::colour, pg_typeof('red'::colour), pg_typeof('{red}'::colour[])
alter type colour rename to twice
create schema other
alter type colour set schema other
select 'red'::colour
# nobin
select 'red'::other.colour, pg_typeof('red'::other.colour), 'colour'::text
select 'pink'::other.colour
alter type other.colour set schema public
drop type colour
drop type color
drop type if exists color
drop type paint
drop type _colour
drop type int4
drop type twice, empty
select typname, typtype, typcategory, typlen, typbyval, typalign, typstorage, typdelim, typispreferred, typnotnull from pg_type where typname in ('colour', '_colour') order by 1
select a.typname, e.typname from pg_type a join pg_type e on a.typelem = e.oid where e.typname = 'colour'
# nobin
select format_type('colour'::regtype, -1), format_type('colour[]'::regtype, null), 'colour'::regtype, '_colour'::regtype, 'public.colour'::regtype
# nobin
select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'paint'::regclass and attnum > 0 order by attnum
select column_name, data_type, udt_schema, udt_name, column_default from information_schema.columns where table_name = 'paint' order by ordinal_position
select coalesce(c, 'red') from paint where id = 1
select case when true then 'red' else 'blue'::colour end, nullif('red'::colour, 'red'), greatest('red'::colour, 'blue'), least('red', 'blue'::colour)
select 'red'::colour union select 'blue' order by 1
select to_json('red'::colour), to_jsonb(array['red','blue']::colour[]), json_build_object('c', 'red'::colour), row_to_json(paint) from paint where id = 3
select colour('red'), colour 'blue', cast('red' as colour)
update paint set c = 'black' where c = 'red'
select id, c from paint where c = 'black' order by id
delete from paint where c < 'green'
select id, c from paint order by id
create view pv as select id, c from paint where c <> 'zero'
select * from pv order by id
drop type colour cascade
select * from paint order by 1
create type big as enum ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')
create type "Odd name" as enum ('it''s')
select 'it''s'::"Odd name", 'x'::"Odd name"
# nobin
select pg_typeof('it''s'::"Odd name")
create table big (a int)
create type big as enum ('a')
create type t1 as enum ('a')
create table t1 (a int)
drop domain t1
