# Strings and binary strings: sections 9.4, 9.5 and 9.7.
select format('Hello %s', 'x'), format('%I %L %s', 'a b', 'c''d', null), format('%2$s %1$s', 'a', 'b'), format('|%10s|%-10s|', 'x', 'y'), format('|%*s|', 5, 'x'), format('%%'), format('|%1$*2$s|', 'x', -4), format('%s %s', variadic array['a','b'])
select format('%s')
select format('%x', 1)
select format('%I', null)
select format('%0$s', 1)
select concat('a', null, 1, true), concat_ws(',', 'a', null, 'b'), concat_ws(null, 'a'), concat(variadic array['x','y']), concat_ws('-', variadic array[1,2])
select overlay('Txxxxas' placing 'hom' from 2 for 4), overlay('abc' placing 'X' from 2), substring('hello' from 2 for 3), substring('hello', -1, 3), substring('hello' from 10), substr('hello', 2), position('l' in 'hello'), strpos('hello', 'z')
select substring('hello' from 2 for -1)
select substring('foobar' from 'o(.)b'), substring('foobar' from 'x')
select left('abc', 2), left('abc', -1), right('abc', 2), right('abc', -1), lpad('x', 3), lpad('x', 4, 'ab'), rpad('xyz', 2), lpad('x', 0), rpad('a', 5, 'bc'), lpad('x', 3, '')
select trim(both 'x' from 'xxaxx'), ltrim('  a'), rtrim('a  '), btrim('yxay', 'xy'), trim('  a  ')
select upper('äb'), lower('ÄB'), initcap('hello wORLD foo_bar'), reverse('abc'), repeat('ab', 3), repeat('a', -1), length('äöü'), octet_length('äöü'), bit_length('ab'), char_length('abc  '::char(10))
select replace('abcabc', 'b', 'X'), replace('abc', '', 'X'), translate('12345', '143', 'ax'), split_part('a,b,c', ',', 2), split_part('a,b,c', ',', -1), split_part('a,b', ',', 5), split_part('', ',', 1)
select split_part('a', ',', 0)
select ascii('a'), ascii('ä'), ascii(''), chr(65), chr(228)
select chr(0)
select chr(-1)
select to_hex(255), to_hex(-1), to_hex(255::bigint), md5('abc'), quote_ident('a b'), quote_ident('select'), quote_ident('abc'), quote_literal('a''b\c'), quote_nullable(null), quote_literal(1.5), starts_with('abc', 'ab'), 'abc' ^@ 'b'
select regexp_match('foobarbequebaz', '(bar)(beque)'), regexp_match('abc', 'x'), regexp_matches('foobar', 'o'), regexp_replace('foobarbaz', 'b..', 'X'), regexp_replace('foobarbaz', 'b..', 'X', 'g'), regexp_replace('foobarbaz', 'b(..)', 'X\1Y', 'g'), regexp_replace('Hello', 'L', 'x', 'i')
select regexp_matches('foobarbequebazilbarfbonk', '(b[^b]+)(b[^b]+)', 'g')
select regexp_split_to_array('the quick  brown', '\s+'), regexp_split_to_array('abc', ''), regexp_split_to_array('a1b2c', '\d')
select regexp_split_to_table('a b c', ' ')
select string_to_table('a,b,,c', ',', '')
select parse_ident('a.b'), parse_ident('"A b".c')
select parse_ident('a.')
select normalize('a' || chr(776)) = chr(228), normalize(chr(228), NFD) = 'a' || chr(776)
select encode('\x0102ff'::bytea, 'hex'), encode('\x0102ff'::bytea, 'base64'), encode('\x0102ff5c'::bytea, 'escape'), decode('0102ff', 'hex'), decode('AQL/', 'base64'), decode('a\\b\001', 'escape')
select decode('0', 'hex')
select decode('zz', 'hex')
select encode('a', 'foo')
select decode('A===', 'base64')
select sha224('abc'), sha256('abc'), sha384(''), sha512('a'), md5('abc'::bytea)
select 'abc'::bytea || 'd', length('abc'::bytea), substring('\x010203'::bytea from 2), position('\x02' in '\x0102'::bytea), overlay('\x010203'::bytea placing '\xff' from 2), trim('\x00' from '\x000100'::bytea), reverse('x')
select convert_to('ä', 'UTF8'), convert_from('\xc3a4', 'UTF8')
select convert_from('\xff', 'UTF8')
select 'abc' like 'a%', 'abc' like 'a_c', 'a%c' like 'a\%c', 'abc' not like 'b%', 'ABC' ilike 'a%', 'a%c' like 'a#%c' escape '#', null like 'a', 'abc' like 'abc_', '' like '%', 'äöü' like '_ö_'
select 'a' like 'a\'
select 'abc' similar to '(a|b)%', 'abc' similar to 'a', 'abc' similar to '%(b|d)%', 'abc' not similar to 'x', 'a.c' similar to 'a.c', 'abc' similar to 'a_c', 'aab' similar to 'a{2}b', '[a]' similar to '\[a\]'
select 'abc' ~ 'b', 'abc' ~ '^a.*c$', 'ABC' ~* 'b', 'abc' !~ 'x', 'abc' !~* 'B', 'a.c' ~ 'a\.c', 'ab1' ~ '\d$', 'foo bar' ~ '\mbar\M', 'abc' ~ '(?i)B', 'a' ~ '[[:alpha:]]', 'a]' ~ '[]]', 'x' ~ '***=x'
select 'abc' ~ '('
select 'abc' ~ '['
select 'abc' ~ '*'
select 'abc' ~ 'a{2,1}'
select 'a b'::name, 'abc'::"char", 'x'::"char" < 'y'::"char", ''::"char" = ''
select 'abc'::char(5) || 'x', 'abc  '::char(5) = 'abc', length('ab '::char(5)), 'abc'::char(2), 'abcdef'::varchar(3), 'a'::char(3)::text || '|'
select string_agg(x, ',' order by x), string_agg(x, null), string_agg(distinct x, '') from (values ('b'),('a'),('b'),(null)) v(x)
select string_agg(x::bytea, ',') from (values ('b'),('a')) v(x)
select text 'a' < 'B', 'a' < 'b', 'Z' < 'a', greatest('a','b',null), least('b','a')
select 'a' || 1, 1 || 'a', 'a' || null, 'a'::text || 'b'::varchar, 1 || 2::text, 'x' || true
select 1 || 2
select strpos('a', null), length(null), upper(null)
