# Functions of several sections of chapter 9.
select sind(30), sind(45), sind(90), sind(-30), sind(210), cosd(60), cosd(0), cosd(120), cosd(-240), tand(45), tand(135), tand(-45), tand(0), cotd(45), cotd(90), cotd(135)
select sind('nan'), asind(0.5), asind(-1), acosd(0.5), acosd(0), acosd(-0.5), atand(1), atand(-1), atan2d(1,1), atan2d(-1,0), atan2d(0,-1)
select sind('inf')
select asind(2)
select acosd(-1.5)
select asinh(0), acosh(1), atanh(0), atanh(1), atanh(-1), asinh('-inf')
select acosh(0.5)
select atanh(2)
select sind(null), atan2d(null, 1)
select regexp_like('Hello', 'L+'), regexp_like('Hello', 'L+', 'i'), regexp_like('x', null)
select regexp_like('x', 'x', 'g')
select regexp_like('x', 'x', 'z')
select regexp_like('x', '(')
select regexp_count('abcabc', 'b'), regexp_count('abcabc', 'b', 3), regexp_count('abcABC', 'b', 1, 'i'), regexp_count('abc', 'x'), regexp_count('', 'x'), regexp_count('aaa', 'a', 9)
select regexp_count('abc', 'b', 0)
select regexp_instr('abcabc', 'bc'), regexp_instr('abcabc', 'bc', 3), regexp_instr('abcabc', 'b(c)', 1, 2), regexp_instr('abcabc', 'bc', 1, 1, 1), regexp_instr('aBC', 'b(c)', 1, 1, 0, 'i', 1), regexp_instr('abc', 'x'), regexp_instr('äöü', 'ü')
select regexp_instr('abc', 'b', 1, 1, 2)
select regexp_instr('abc', 'b', 1, 0)
select regexp_instr('abc', 'b', 1, 1, 0, '', -1)
select regexp_substr('abcabd', 'b.'), regexp_substr('abcabd', 'b.', 3), regexp_substr('abcabd', 'a(b.)', 1, 2, '', 1), regexp_substr('ABC', 'b', 1, 1, 'i'), regexp_substr('abc', 'x'), regexp_substr('abc', '(x)?b', 1, 1, '', 1)
select regexp_substr('abc', 'b', 0)
select unistr('d\0061t\+000061'), unistr('d\u0061t\U00000061'), unistr('a\\b'), unistr('\D83D\DE00'), unistr('')
select unistr('\xyz')
select unistr('\D83Dx')
select unistr('\DE00')
select unistr('\00')
select date_bin('15 minutes', timestamp '2020-02-11 15:44:17', timestamp '2001-01-01'), date_bin('15 minutes', timestamptz '2020-02-11 15:44:17+00', timestamptz '2001-01-01 00:02:30+00'), date_bin('1 day', timestamp '1999-12-31 12:00', timestamp '2000-01-01'), date_bin('1 hour', 'infinity'::timestamp, '2000-01-01')
select date_bin('1 month', timestamp '2020-02-11', timestamp '2001-01-01')
select date_bin('0 days', timestamp '2020-02-11', timestamp '2001-01-01')
select date_bin('-1 days', timestamp '2020-02-11', timestamp '2001-01-01')
select pg_size_bytes('1'), pg_size_bytes('1 kB'), pg_size_bytes('1.5MB'), pg_size_bytes(' -2 GB '), pg_size_bytes('1TB'), pg_size_bytes('3 bytes'), pg_size_bytes('1e3 kb')
select pg_size_bytes('x')
select pg_size_bytes('1 XB')
select pg_trigger_depth()
select 'a' ~<~ 'b', 'a' ~<=~ 'a', 'a' ~>~ 'b', 'a' ~>=~ 'b'
select btint4cmp(1,2), btint8cmp(3,2), date_cmp('2024-01-01','2024-01-01'), numeric_cmp(1.0, 1), interval_cmp('1 day','24:00'), timestamp_cmp('2024-01-02','2024-01-01')
# bits of bit strings and bytea
select b'101' | b'010', b'111' & b'010', b'110' # b'011', ~ b'101', b'1010' << 1, b'1010' >> 2, b'10' || b'01', b'1010' << 9
select bit '101'
select '101'::bit(3), '101'::bit(5), '10111'::bit(3), '101'::varbit, '10111'::varbit(3), x'1f'::bit(8), 5::bit(4), (-1)::bit(8), 44::bit(3), b'1010'::int, b'1111'::int8
select '102'::bit(3)
select 'x1g'::varbit
select b'10' | b'1'
select length(b'1010'), bit_length(b'101'), octet_length(b'101010101'), bit_count(b'1011'), bit_count('\x0103'::bytea), position(b'10' in b'0010'), substring(b'110010' from 2 for 3), substring(b'1100' from 3), overlay(b'11111' placing b'00' from 2)
select get_bit(b'101', 1), set_bit(b'101', 1, 1), get_bit('\x1234'::bytea, 4), set_bit('\x1234'::bytea, 0, 1), get_byte('\x1234'::bytea, 1), set_byte('\x1234'::bytea, 1, 64)
select get_bit(b'101', 3)
select get_byte('\x12'::bytea, 1)
select get_bit('\x12'::bytea, 8)
select set_bit(b'101', 1, 2)
select b'10' < b'11', b'1' < b'10', b'01' = b'01', b'1' > b'01'
select bit_and(x), bit_or(x), bit_xor(x) from (values (b'110'), (b'011'), (null)) v(x)
create table bt (a bit(3), b varbit(4))
insert into bt values ('101', '1')
insert into bt values ('1', '1')
insert into bt values ('101', '11111')
select * from bt
# timetz
select '12:34:56.789+02'::timetz, '12:34 -03:30'::timetz, '12:34'::timetz is not null, '00:00:00+15:59:59'::timetz, '24:00+00'::timetz, '12:34:56.789+02'::timetz(1), '123456+02'::timetz
select '12:34+16'::timetz
select '25:00+00'::timetz
select 'x'::timetz
select '12:00+02'::timetz = '11:00+01'::timetz, '12:00+02'::timetz < '12:00+01'::timetz, '12:00+00'::timetz > '13:00+02'::timetz
select x from (values ('12:00+02'::timetz), ('12:00+01'), ('11:00+01'), ('10:00+00')) v(x) order by x
select '12:00+02'::timetz + interval '3 hours', '23:00+02'::timetz + interval '3 hours', '01:00+02'::timetz - interval '2 hours', date '2024-01-02' + '12:00+02'::timetz
select '12:00+02'::timetz at time zone interval '05:30', '12:00+02'::timetz::time, extract(hour from '12:34:56.7+02'::timetz), extract(second from '12:34:56.7+02'::timetz), extract(timezone from '12:34+02:30'::timetz), extract(timezone_hour from '12:34+02:30'::timetz), extract(epoch from '12:34+02'::timetz), date_part('minute', '12:34+02'::timetz)
select extract(day from '12:34+02'::timetz)
select min(x), max(x) from (values ('12:00+02'::timetz), ('12:00+01')) v(x)
select '2024-07-01 12:00+00'::timestamptz::timetz, '2024-01-01 12:00+00'::timestamptz::timetz
create table tt (t timetz primary key, u timetz(0))
insert into tt values ('12:00+02', '12:00:00.7+02'), ('12:00+01', null), ('11:59+02', null)
select * from tt order by t
select * from tt where t < '12:00+02'
# statistical aggregates
select corr(y,x), covar_pop(y,x), covar_samp(y,x), regr_avgx(y,x), regr_avgy(y,x), regr_count(y,x), regr_intercept(y,x), regr_r2(y,x), regr_slope(y,x), regr_sxx(y,x), regr_sxy(y,x), regr_syy(y,x) from (values (1,2),(2,4.5),(3,5),(null,7),(4,9)) v(x,y)
select corr(y,x), covar_pop(y,x), covar_samp(y,x), regr_r2(y,x), regr_slope(y,x), regr_count(y,x) from (values (1,2)) v(x,y)
select corr(y,x), covar_pop(y,x), regr_count(y,x), regr_sxx(y,x) from (values (1,2)) v(x,y) where x > 1
# ordered-set aggregates
select percentile_cont(0.5) within group (order by x), percentile_disc(0.5) within group (order by x), mode() within group (order by x) from (values (1),(2),(2),(10)) v(x)
select percentile_cont(array[0,0.25,1]) within group (order by x), percentile_disc(array[0,0.25,1]) within group (order by x desc) from (values (1.5::float8),(2),(4)) v(x)
select percentile_disc(0.5) within group (order by x), mode() within group (order by x desc) from (values ('b'),('a'),('c'),(null)) v(x)
select percentile_cont(0.5) within group (order by x) from (values (interval '1 day'),(interval '3 days')) v(x)
select g, percentile_cont(0.5) within group (order by x) from (values (1,1),(1,2),(2,5)) v(g,x) group by g order by g
select percentile_cont(0.5) within group (order by x), mode() within group (order by x) from (values (1)) v(x) where x > 1
select percentile_cont(1.5) within group (order by x) from (values (1)) v(x)
select percentile_cont(null) within group (order by x) from (values (1)) v(x)
select percentile_cont(0.5)
select sum(x) within group (order by x) from (values (1)) v(x)
select mode() within group (order by x) filter (where x > 1) from (values (1),(1),(2)) v(x)
