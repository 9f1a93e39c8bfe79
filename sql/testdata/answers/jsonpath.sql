# Type jsonpath: input and output.
select '$'::jsonpath, 'strict $'::jsonpath, 'lax $.a'::jsonpath, '$.a.b'::jsonpath, '$."a b".c'::jsonpath, '$.*'::jsonpath, '$.**'::jsonpath, '$.**{2}'::jsonpath, '$.**{1 to 3}'::jsonpath, '$.**{2 to last}'::jsonpath, '$.**{last}'::jsonpath
select '$[*]'::jsonpath, '$[0]'::jsonpath, '$[0, 1 to 3, last]'::jsonpath, '$[last - 1]'::jsonpath, '$[$.a + 1]'::jsonpath, '$x'::jsonpath, '$"x y"'::jsonpath
select '$.a ? (@ > 1)'::jsonpath, '$.a ? (@.b == "x" && !(@.c < 2) || exists (@.d))'::jsonpath, '$ ? ((@ > 1) is unknown)'::jsonpath, '$ ? (@ starts with "a")'::jsonpath, '$ ? (@ like_regex "^a" flag "ix")'::jsonpath
select '$ ? (@ like_regex "^a.*\\d" flag "si")'::jsonpath, '$ ? (@ starts with $x)'::jsonpath
select '1 + 2 * 3'::jsonpath, '(1 + 2) * 3'::jsonpath, '-$.a'::jsonpath, '+ -1'::jsonpath, '-(1)'::jsonpath, '1 - -2'::jsonpath, '$.a > 1 && $.b < 2'::jsonpath, '1.50'::jsonpath, '1e3'::jsonpath, '.5'::jsonpath, '12e-1'::jsonpath, '5.'::jsonpath
select '$.a.type()'::jsonpath, '$.size()'::jsonpath, '$.a.double().abs().floor().ceiling()'::jsonpath, '$.keyvalue().key'::jsonpath, '$.datetime()'::jsonpath, '$.datetime("HH24")'::jsonpath, '$.type'::jsonpath, '$.a /* comment */ .b'::jsonpath
select 'true'::jsonpath, 'null'::jsonpath, '"a\n\u0041\x42\u{43}"'::jsonpath, '$.true.null.is.last.strict'::jsonpath, '($.a).b'::jsonpath, '($ + 1).type()'::jsonpath, '$ ? (@.a ? (@ > 1) == 2)'::jsonpath, '($ == 1).type()'::jsonpath
select ''::jsonpath
select '$.'::jsonpath
select 'a'::jsonpath
select '@'::jsonpath
select 'last'::jsonpath
select '$ ? (1)'::jsonpath
select '$[]'::jsonpath
select '$.a b'::jsonpath
select '1a'::jsonpath
select '"abc'::jsonpath
select '$ ? (@ like_regex "a" flag "z")'::jsonpath
select '00'::jsonpath
select '1e'::jsonpath
select '$ ? (@ > 1'::jsonpath
# queries
select jsonb_path_query('{"a":[1,2,{"b":3}]}', '$')
select jsonb_path_query('{"a":[1,2,{"b":3}]}', '$.a')
select jsonb_path_query('{"a":[1,2,{"b":3}]}', '$.a[*]')
select jsonb_path_query('{"a":[1,2,{"b":3}]}', '$.a.b')
select jsonb_path_query('{"a":[1,2,{"b":3}]}', 'strict $.a.b')
select jsonb_path_query('{"a":[1,2,{"b":3}]}', 'strict $.a.b', silent => true)
select jsonb_path_query('{"a":[1,2,{"b":3}]}', '$.**')
select jsonb_path_query('{"a":[1,2,{"b":3}]}', '$.**{1}')
select jsonb_path_query('{"a":[1,2,{"b":3}]}', '$.**{2 to 3}')
select jsonb_path_query('{"a":[1,2,{"b":3}]}', '$.**{last}')
select jsonb_path_query('{"a":[1,2,{"b":3}]}', '$.**.b')
select jsonb_path_query('{"a":1,"b":2}', '$.*')
select jsonb_path_query('[1,2,3,4,5]', '$[1 to 3]')
select jsonb_path_query('[1,2,3,4,5]', '$[last]')
select jsonb_path_query('[1,2,3,4,5]', '$[last - 1, 0]')
select jsonb_path_query('[1,2,3]', '$[5]')
select jsonb_path_query('[1,2,3]', 'strict $[5]')
select jsonb_path_query('[1,2,3]', '$["a"]')
select jsonb_path_query('[1,2,3]', '$[1.7]')
select jsonb_path_query('1', '$[0]')
select jsonb_path_query('1', 'strict $[0]')
select jsonb_path_query('1', '$[*]')
select jsonb_path_query('1', 'strict $[*]')
select jsonb_path_query('1', 'strict $.a')
select jsonb_path_query('1', 'strict $.*')
select jsonb_path_query('{}', 'strict $.a')
select jsonb_path_query('{"a":1}', '$.b')
select jsonb_path_query('[1,2,3,"x",null]', '$[*] ? (@ > 1)')
select jsonb_path_query('[1,2,3,"x",null]', '$[*] ? (@ == null)')
select jsonb_path_query('[1,2,3,"x",null]', '$[*] ? (@ != null)')
select jsonb_path_query('[1,2,3,"x"]', '$[*] ? ((@ > 1) is unknown)')
select jsonb_path_query('[1,2,3]', '$ ? (@ > 1)')
select jsonb_path_query('[1,2,3]', 'strict $ ? (@ > 1)')
select jsonb_path_query('[{"a":1,"b":2},{"a":3}]', '$[*] ? (exists (@.b)).a')
select jsonb_path_query('[{"a":1,"b":2},{"a":3}]', '$[*] ? (!exists (@.b))')
select jsonb_path_query('[{"a":1},{"a":3}]', '$[*].a ? (@ >= $min && @ < $max)', '{"min":2,"max":5}')
select jsonb_path_query('1', '$x')
select jsonb_path_query('1', '$x', '[1]')
select jsonb_path_query('["abc","Abd","b"]', '$[*] ? (@ starts with "a")')
select jsonb_path_query('["abc","Abd","b"]', '$[*] ? (@ like_regex "^a" flag "i")')
select jsonb_path_query('["a\nb"]', '$[*] ? (@ like_regex "a.b")')
select jsonb_path_query('["a\nb"]', '$[*] ? (@ like_regex "a.b" flag "s")')
select jsonb_path_query('["a\nb"]', '$[*] ? (@ like_regex "^b$" flag "m")')
select jsonb_path_query('["a.b","axb"]', '$[*] ? (@ like_regex "a.b" flag "q")')
select jsonb_path_query('{"a":2}', '$.a + 3 * 2 - 1')
select jsonb_path_query('{"a":7}', '$.a % 4')
select jsonb_path_query('{"a":7}', '$.a / 2')
select jsonb_path_query('{"a":7}', '-$.a')
select jsonb_path_query('[1,2]', '-$[*]')
select jsonb_path_query('["x"]', '-$[*]')
select jsonb_path_query('{"a":7}', '$.a / 0')
select jsonb_path_query('{"a":7}', '$.a / 0', silent => true)
select jsonb_path_query('[1,2]', '$ + 1')
select jsonb_path_query('{"a":"x"}', '1 + $.a')
select jsonb_path_query('[2]', '$ + 1')
select jsonb_path_query('[1,"a",true,null,{},[]]', '$[*].type()')
select jsonb_path_query('[1,"a",true,null,{},[]]', 'strict $[*].type()')
select jsonb_path_query('[1,[2,3]]', '$.size()')
select jsonb_path_query('1', '$.size()')
select jsonb_path_query('1', 'strict $.size()')
select jsonb_path_query('[-1.5,1.5]', '$[*].abs()')
select jsonb_path_query('[-1.5,1.5]', '$.floor()')
select jsonb_path_query('[-1.5,1.5]', '$[*].ceiling()')
select jsonb_path_query('"a"', '$.abs()')
select jsonb_path_query('["1.5", 2]', '$[*].double()')
select jsonb_path_query('"x"', '$.double()')
select jsonb_path_query('true', '$.double()')
select jsonb_path_query('"inf"', '$.double()')
select jsonb_path_query('1e1000', '$.double()')
select jsonb_path_query('{"a":1,"b":[2]}', '$.keyvalue()')
select jsonb_path_query('[1]', '$.keyvalue()')
select jsonb_path_query('"2024-01-02"', '$.datetime()')
select jsonb_path_query('"2024-01-02"', '$.datetime().type()')
select jsonb_path_query('"2024-01-02 03:04:05"', '$.datetime()')
select jsonb_path_query('"2024-01-02T03:04:05.25"', '$.datetime().type()')
select jsonb_path_query('"2024-01-02T03:04:05+02:30"', '$.datetime().type()')
select jsonb_path_query('"12:34:56"', '$.datetime().type()')
select jsonb_path_query('"12:34:56+01"', '$.datetime()')
select jsonb_path_query('"foo"', '$.datetime()')
select jsonb_path_query('1', '$.datetime()')
select jsonb_path_query('["2024-01-02","2024-01-05"]', '$[*] ? (@.datetime() > "2024-01-03".datetime())')
select jsonb_path_query('["2024-01-02 00:00:00"]', '$[*] ? (@.datetime() == "2024-01-02".datetime())')
select jsonb_path_query('["2024-01-02 00:00:00+00"]', '$[*] ? (@.datetime() == "2024-01-02".datetime())')
select jsonb_path_query_tz('["2024-01-02 00:00:00+01"]', '$[*] ? (@.datetime() == "2024-01-02".datetime())')
select jsonb_path_query('[1,2]', '$[*] == 1')
select jsonb_path_query('[1,2]', '$[*] > 5 || $[*] == 2')
select jsonb_path_query('[1,"a"]', 'strict $[*] > 0')
select jsonb_path_query('{"a":{"b":1}}', 'true && false')
select jsonb_path_query('{"a":[{"x":1},{"x":2}]}', '$.a ? (@.x == 2)')
select jsonb_path_query('[[1,2],[3]]', '$[*][0]')
select jsonb_path_query('[[1,2],[3]]', '$[*][last]')
select jsonb_path_query('[1,2,3]', '$[$[0]]')
select jsonb_path_exists('{"a":1}', '$.a'), jsonb_path_exists('{"a":1}', '$.b'), jsonb_path_exists('{"a":1}', 'strict $.b', '{}', true), jsonb_path_exists('{"a":[1,2]}', '$.a[*] ? (@ > 1)'), jsonb_path_exists(null, '$')
select jsonb_path_exists('{"a":1}', 'strict $.b')
select jsonb_path_match('{"a":1}', '$.a == 1'), jsonb_path_match('{"a":1}', '$.a == "x"'), jsonb_path_match('{"a":1}', '$.a', silent => true), jsonb_path_match('true', '$'), jsonb_path_match('null', '$')
select jsonb_path_match('{"a":1}', '$.a')
select jsonb_path_query_array('[1,2,3]', '$[*] ? (@ > 1)'), jsonb_path_query_array('[1]', '$.x'), jsonb_path_query_first('[1,2,3]', '$[*] ? (@ > 1)'), jsonb_path_query_first('[1]', '$.x')
select '{"a":[1,2]}'::jsonb @? '$.a[*] ? (@ > 1)', '{"a":[1,2]}'::jsonb @? '$.b', '{"a":[1,2]}'::jsonb @@ '$.a[*] > 1', '{"a":[1,2]}'::jsonb @@ '$.a', '{"a":1}'::jsonb @? 'strict $.b', '{}'::jsonb @@ 'strict $.a == 1'
select jsonb_path_query('{"a":1}', null)
select * from jsonb_path_query('[1,2]', '$[*]') with ordinality
select '$.a'::jsonpath = '$.a'::jsonpath
select 'a '::jsonpath
select 'a.b'::jsonpath
select '$ ? (a)'::jsonpath
select '$.a 1'::jsonpath
select '$ /* x'::jsonpath
select '"a" "b"'::jsonpath
select '$.a\'::jsonpath
select '1ex'::jsonpath
select '1.a'::jsonpath
select '1..type()'::jsonpath, '1.5.type()'::jsonpath
select '1e+'::jsonpath
select '"\u00zz"'::jsonpath
select '"\x4"'::jsonpath
select make_interval(days => 10, hours => 2), make_interval(1, mins => 3)
select make_interval(foo => 10)
select make_interval(days => 10, days => 2)
select jsonb_set(jsonb_in => '{"a":1}', path => '{b}', replacement => '2', create_if_missing => false)
