# Dates, times, intervals: sections 8.5, 9.8 and 9.9; numbers: 9.3; sets: 9.25.
select age(timestamp '2001-04-10', timestamp '1957-06-13'), age(date '2024-03-31', date '2024-02-29'), age(timestamptz '2024-05-01 00:00+00', timestamptz '2023-05-02 00:00+00')
select date_part('year', date '2024-05-06'), date_part('epoch', interval '1 day 2 hours'), extract(week from date '2021-01-03'), extract(isoyear from date '2021-01-03'), extract(dow from date '2024-05-05'), extract(isodow from date '2024-05-05'), extract(doy from date '2024-12-31'), extract(quarter from date '2024-05-05'), extract(century from date '2000-12-31'), extract(millennium from date '2001-01-01'), extract(decade from date '1999-01-01'), extract(julian from date '2024-01-01')
select extract(microseconds from timestamp '2024-01-01 00:00:01.5'), extract(milliseconds from timestamp '2024-01-01 00:00:01.5'), extract(second from interval '1.25 seconds'), extract(epoch from timestamptz '2024-01-01 00:00:00.5+00'), extract(year from timestamp 'infinity'), extract(day from timestamp 'infinity')
select extract(foo from date '2024-01-01')
select extract(hour from date '2024-01-01')
select date_trunc('month', timestamp '2024-05-06 07:08:09'), date_trunc('week', timestamp '2024-05-08'), date_trunc('quarter', date '2024-05-08'), date_trunc('day', timestamptz '2024-05-06 23:30+00', 'UTC'), date_trunc('hour', interval '1 day 02:03:04'), date_trunc('century', timestamp '2024-01-01')
select date_trunc('foo', timestamp '2024-01-01')
select make_date(2024,2,29), make_time(1,2,3.5), make_timestamp(2024,1,2,3,4,5.5), make_timestamptz(2024,7,1,0,0,0,'UTC'), make_interval(1,2,3,4,5,6,7.5)
select make_date(2023,2,29)
select to_char(timestamp '2024-05-06 17:08:09.123456', 'YYYY-MM-DD HH24:MI:SS.US'), to_char(timestamp '2024-05-06 17:08:09', 'Day, DD Mon YYYY HH12:MI AM'), to_char(timestamp '2024-05-06', 'FMDay FMDDth Month IYYY-IW Q DDD J CC'), to_char(timestamptz '2024-07-01 00:00+00', 'TZ OF TZH:TZM')
select to_char(1234.5, '9,999.99'), to_char(-12.3, '99.9S'), to_char(485, 'FM999'), to_char(12, '0000'), to_char(0.1, '0.9'), to_char(123456, '999'), to_char(1.5::float8, '9.999')
select to_timestamp('2024-05-06 07:08:09', 'YYYY-MM-DD HH24:MI:SS'), to_date('05 Dec 2000', 'DD Mon YYYY'), to_date('2024-128', 'YYYY-DDD'), to_timestamp(1284352323.5), to_timestamp('12:30 PM', 'HH12:MI AM')
select to_date('2024-13-01', 'YYYY-MM-DD')
select timestamp '2024-07-01 12:00' at time zone 'America/New_York', timestamptz '2024-07-01 12:00+00' at time zone 'Asia/Tokyo', timestamp '2024-03-31 02:30' at time zone 'Europe/Berlin'
select timestamp '2024-01-01' at time zone 'Foo/Bar'
select justify_days('35 days'), justify_hours('27 hours'), justify_interval('1 mon -1 hour'), isfinite(date 'infinity'), isfinite(timestamp '2024-01-01')
select interval '1 year 2 mons 3 days 04:05:06.7', interval 'P1Y2M3DT4H5M6S', interval '1-2', interval '1 day ago', interval '-1 day +02:00', interval '1.5 days', interval '1 2:03', interval '1' day, interval '90' minute, interval '1 week', interval '0.1 mon'
select interval 'foo'
select interval '1 day' * 2.5, interval '1 day' / 3, 3 * interval '1 hour', interval '1 mon' > interval '29 days', interval '1 mon' = interval '30 days', - interval '1 day', sum(x) from (values (interval '1 day')) v(x)
select date '2024-01-31' + interval '1 month', date '2024-01-31' + 1, date '2024-03-01' - date '2024-02-01', timestamp '2024-01-02' - timestamp '2024-01-01 12:00', time '01:00' + interval '25 hours', time '03:00' - time '01:00', date '2024-01-01' + time '10:00', timestamptz '2024-03-30 12:00+01' + interval '1 day', timestamptz '2024-03-30 12:00+01' + interval '24 hours'
select date '2024-02-30'
select date '2024-13-01'
select timestamp '2024-01-01 25:00'
select 'infinity'::date, '-infinity'::timestamp, 'epoch'::timestamp, 'Jan 5 2024'::date, '20240105'::date, '5-Jan-2024'::date, 'J2451187'::date, '2024-05-06T07:08:09Z'::timestamptz, '2024-05-06 07:08:09 America/New_York'::timestamptz, '4713-01-01 BC'::date, '0099-01-01'::date
select '2024-01-01 12:00'::timestamp(0), '12:34:56.789'::time(1), '2024-01-01 12:00:00.5'::timestamptz(0), '1.567 seconds'::interval(2)
select (timestamp '2000-01-01', timestamp '2000-02-01') overlaps (timestamp '2000-01-15', timestamp '2000-03-01'), (date '2000-01-01', interval '10 days') overlaps (date '2000-01-11', interval '1 day')
select (timestamp '2000-01-01', null) overlaps (timestamp '2000-01-15', timestamp '2000-03-01'), (time '01:00', time '02:00') overlaps (time '02:00', time '03:00'), (time '01:00', interval '1 hour') overlaps (time '01:30', time '01:40'), (date '2000-01-01', date '2000-01-01') overlaps (date '2000-01-01', date '2000-01-01'), ('01:00+00'::timetz, '02:00+00'::timetz) overlaps ('02:30+01'::timetz, '03:00+00'::timetz)
select generate_series(1,3), generate_series(3,1,-1)
select generate_series(timestamp '2024-01-01', timestamp '2024-01-03', '1 day'), generate_series(1.0, 2.0, 0.5)
select generate_series(1,3,0)
select * from generate_series(date '2024-01-01', date '2024-01-02', '12 hours') g
# numbers
select 7/2, -7/2, 7%3, -7%3, 7.0/2, 7::float8/2, 2^10, 2.0^0.5, |/16.0, @ -5, 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 4, -16 >> 2
select 1/0
select 1.0/0
select 1::float8/0
select 2147483647 + 1
select 9223372036854775807 + 1
select 32767::int2 + 1::int2
select -(-2147483648)::int4
select abs(-5), abs(-5.5), ceil(1.2), ceiling(-1.2), floor(-1.2), round(1.5), round(2.5), round(-1.5), round(1.005, 2), round(2.5::float8), round(3.5::float8), round(1234.5, -2), trunc(1.9), trunc(-1.99, 1), sign(-2), sign(0.0), div(7.5,2), mod(7.5,2), gcd(12,18), lcm(4,6), factorial(5), scale(1.20), min_scale(1.20), trim_scale(1.20)
select sqrt(2.0), sqrt(2::float8), exp(1.0), ln(10.0), log(100.0), log(2.0, 8.0), power(2,3), power(2.0,-1), cbrt(27::float8), pi(), degrees(pi()), radians(180), width_bucket(5.35, 0.024, 10.06, 5), width_bucket(array[1,3,5], 4), log10(1000)
select sqrt(-1)
select ln(0)
select factorial(-1)
select power(0, -1)
select 1e308::float8 * 10
select 'NaN'::numeric = 'NaN', 'NaN'::float8 > 1, 'Infinity'::numeric + 1, '-Infinity'::float8, 0.1::float4, 0.1::float8 + 0.2::float8, 1e20::float8, 1e-7::float8, 123456789.123::float4, 1e15::float8, 1e16::float8
select 1.5::int, 2.5::int, -0.5::int, 1e10::int8, '12'::int, ' 12 '::int, 1.5::numeric(3,1), 12.345::numeric(5,2), true::int, 1::bool, '1e3'::numeric
select 'x'::int
select '99999999999'::int
select 1e10::int4
select 999.99::numeric(4,2)
select ''::int
select sum(x), avg(x), min(x), max(x), count(x), stddev(x), variance(x) from (values (1),(2),(4)) v(x)
select sum(x), avg(x), stddev_pop(x), var_pop(x) from (values (1.5::float8),(2.5)) v(x)
select bit_and(x), bit_or(x), bit_xor(x), bool_and(x > 1), bool_or(x > 1), every(x > 0) from (values (3),(5)) v(x)
# types of names and objects
select 'int4'::regtype, 'integer'::regtype::oid, 23::regtype, 'pg_class'::regclass, 'pg_class'::regclass::oid, 1259::regclass, 'pg_catalog'::regnamespace, 0::regclass, '-'::regtype, 99999999::regclass, 'postgres'::regrole, to_regclass('nope'), to_regtype('int4'), to_regtype('nope')
select 'nope'::regclass
select 'nope'::regtype
select 'nope'::regnamespace
select 'abs'::regproc
select row(1,'a',null), row(1,2) = row(1,2), row(1,2) < row(1,3), row(1,null) is null, row(null,null) is null, (1,2) in ((1,2),(3,4)), row(1,'a b','"'), row(row(1,2),'')
select row(1,2) = row(1,2,3)
select row(1,null) = row(1,null), row(2,null) > row(1,null), row(1) is distinct from row(null), (select row(1,2)) = row(1,2)
select 'a'::"char", 97::"char", 'a'::"char"::int, '\101'::"char", ''::"char", ascii('é'::"char"::text) is not null
select gen_random_uuid() is not null, '{6D9C45B4-1a5e-4ad3-9d8e-2b5d5b8e1c11}'::uuid, 'x'::text::bytea, '\x'::bytea, 'a\\b'::bytea
select 'zz'::uuid
select '\xz'::bytea
select pg_typeof(1), pg_typeof(1.5), pg_typeof('a'), pg_typeof(null), pg_typeof(now()), pg_typeof(row(1)), pg_typeof('1'::"char"), pg_typeof(current_date - 1)
select format_type(23, null), format_type(1043, 14), format_type(1700, 655366), format_type(1007, -1), format_type(0, null), format_type(1560, 5), format_type(1266, 2)
select current_schema(), current_database() is not null, version() like 'PostgreSQL%', pg_size_pretty(10240::bigint), num_nulls(1,null), num_nonnulls(1,null)
select interval '1-2' year to month, interval '1:02' hour to minute, interval '1.555' second(2), interval '1 day 02:03:04.5'::interval second(0), interval '5' hour, '1 year 5 mons 3 days'::interval year, interval '1 2:03:04' day to minute
create table iv (a interval day to second(2), b interval year)
insert into iv values ('1 day 02:03:04.567', '18 months')
select * from iv
select to_regtype('nope'), to_regtype('varchar(10)'), to_regnamespace('public')::text, to_regnamespace('nope'), to_regrole('postgres'), to_regrole('nope'), to_regproc('now'), to_regproc('abs'), to_regproc('nope'), to_regclass('pg_type'), to_regclass('a.b')
