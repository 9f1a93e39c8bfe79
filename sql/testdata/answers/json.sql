# Types json and jsonb: input and output.
select '{"a":1, "b" : [1,2 ,{"c":null}]}'::json
select '{"bb":1, "a" : [1,2 ,{"c":null}], "a":2}'::jsonb
select '  [ ]  '::json, '  [ ]  '::jsonb, '{ }'::json, '{ }'::jsonb
select '1.500'::jsonb, '1e3'::jsonb, '-0'::jsonb, '-0.0'::jsonb, '1E-3'::jsonb, '123456789012345678901234567890.5'::jsonb
select 'true'::jsonb, 'false'::json, 'null'::jsonb, '"x"'::json
select '"a\u00e9\ud83d\ude00\n\t\"\\\/\u001f"'::jsonb
select '"a\u00e9\ud83d\ude00\n"'::json
select '"\u0000"'::json
select '"\u0000"'::jsonb
select '"\ud83d"'::jsonb
select '"\ud83d\ud83d"'::jsonb
select '"\ude00"'::jsonb
select '"\ud83dx"'::jsonb
select '"\ud83d"'::json
select '"\u12"'::json
select '"\u12zz"'::json
select '"\z"'::json
select E'"a\nb"'::json
select '"abc'::json
select ''::json
select '   '::jsonb
select '[1,2'::json
select '[1,2}'::json
select '[1,]'::json
select '[,1]'::json
select '[1 2]'::json
select '{"a":1,}'::json
select '{"a"}'::json
select '{"a":}'::json
select '{a:1}'::json
select '{,}'::json
select '{1:2}'::json
select '{"a":1 "b":2}'::json
select '{"a":1'::json
select '{"a":1}}'::json
select '1 2'::json
select 'foo'::json
select 'tru'::jsonb
select 'truex'::jsonb
select '01'::json
select '1.'::json
select '.5'::json
select '-'::json
select '1e'::json
select '1e+'::json
select '1a'::json
select '+1'::json
select '#'::json
select E'{"a":1,\n"b":tru}'::json
select '1e1000000'::jsonb
select '{"":1}'::jsonb, '{"":{"":1}}'::json
select length((repeat('[',3000)||repeat(']',3000))::jsonb::text)
select (repeat('[',20000)||repeat(']',20000))::json is null
select (repeat('{"a":',20000)||'1'||repeat('}',20000))::jsonb is null
select null::json, null::jsonb
select '{"a":1}'::json::jsonb, '{"a" : 1}'::jsonb::json, '{"a" : 1}'::jsonb::text, '{"a" : 1}'::json::text
select '{"b":1}'::text::jsonb, '[1]'::varchar::json
select '{"a" :1}'::jsonb::varchar(3)
select array['{"a":1}'::jsonb, null, '[]']
select '{"{\"a\":1}",NULL,"[1, 2]"}'::jsonb[], '{"{\"a\":1}",NULL}'::json[]
# casts of jsonb
select 'true'::jsonb::bool, 'false'::jsonb::bool
select '1.5'::jsonb::int, '2.5'::jsonb::int8, '7'::jsonb::int2, '1.5'::jsonb::numeric, '1.5'::jsonb::float4, '1e10'::jsonb::float8
select '1'::jsonb::bool
select '"1"'::jsonb::int
select '[1]'::jsonb::int
select '{}'::jsonb::numeric
select 'null'::jsonb::int
select 'true'::jsonb::int4
select '1e10'::jsonb::int4
select '"x"'::jsonb::bool
select '1'::json::int
select 1::jsonb
select 'a'::text::jsonb
# access
select '{"a": {"b" : [1, 2]}, "c":"x\ny"}'::json -> 'a', '{"a": {"b" : [1, 2]}, "c":"x\ny"}'::json ->> 'a', '{"a": 1, "c":"x\ny"}'::json -> 'c', '{"a": 1, "c":"x\ny"}'::json ->> 'c'
select '{"a": {"b" : [1, 2]}}'::jsonb -> 'a', '{"a": {"b" : [1, 2]}}'::jsonb ->> 'a', '{"c":"x\ny"}'::jsonb -> 'c', '{"c":"x\ny"}'::jsonb ->> 'c'
select '{"a":1,"a":2}'::json -> 'a', '{"a":null}'::json -> 'a', '{"a":null}'::json ->> 'a', '{"a":null}'::jsonb ->> 'a', '{"a":1}'::json -> 'b', '{"a":1}'::jsonb->'b'
select '[1, "two", {"x":3}]'::json -> 0, '[1, "two", {"x":3}]'::json -> -1, '[1, "two", {"x":3}]'::json ->> 1, '[1]'::json -> 5, '[1]'::json -> -2
select '[1, "two", {"x":3}]'::jsonb -> 0, '[1, "two", {"x":3}]'::jsonb -> -1, '[1, "two", {"x":3}]'::jsonb ->> 1, '[1]'::jsonb -> 5, '[1]'::jsonb -> -2
select '"a"'::jsonb -> 0, '"a"'::jsonb -> 1, '"a"'::jsonb -> 'a', '"a"'::json -> 0, '{"a":1}'::jsonb -> 0, '[1]'::jsonb -> 'a'
select '{"a":[1,{"b":[2,3]}]}'::json #> '{a,1,b,0}', '{"a":[1,{"b":[2,3]}]}'::json #>> '{a,1,b}', '{"a":[1,{"b":[2,3]}]}'::json #> '{a,x}', '{"a":[1]}'::json #> '{}', '{"a":[1]}'::json #> '{a,-1}', '{"a":[1]}'::json #> '{a,NULL}'
select '{"a":[1,{"b":[2,3]}]}'::jsonb #> '{a,1,b,0}', '{"a":[1,{"b":[2,3]}]}'::jsonb #>> '{a,1,b}', '{"a":[1,{"b":[2,3]}]}'::jsonb #> '{a,x}', '{"a":[1]}'::jsonb #> '{}', '{"a":[1]}'::jsonb #> '{a,-1}', '{"a":[1]}'::jsonb #> '{a,NULL}'
select '"s"'::jsonb #>> '{}', '"s"'::json #>> '{}', 'null'::jsonb #>> '{}', '"s"'::jsonb #> '{0}', '[[1,2],[3]]'::jsonb #> '{0, 1}'
select json_extract_path('{"a":{"b":1}}', 'a', 'b'), json_extract_path_text('{"a":{"b":"x"}}', 'a', 'b'), jsonb_extract_path('{"a":{"b":1}}', 'a', 'b'), jsonb_extract_path_text('{"a":{"b":"x"}}', 'a', 'b')
select json_extract_path('{"a":{"b":1}}', variadic array['a', 'b'])
select '{"a":1}'::json -> null::text, '[1]'::jsonb -> null::int, null::jsonb -> 'a', '{"a":1}'::jsonb #> null
select ('{"a":{"b":[1,2,3]}}'::jsonb)['a']['b'][1], ('[1,2]'::jsonb)[-1], ('{"a":1}'::jsonb)['x'], ('{"a":1}'::jsonb)['a']['b'], ('{"1":2}'::jsonb)[1]
select ('[1]'::jsonb)[true]
select ('[1]'::jsonb)[0:1]
select ('[1]'::json)[0]
# containment and existence
select '{"a":1,"b":[1,2,{"c":3}]}'::jsonb @> '{"b":[{"c":3}]}', '{"a":1}'::jsonb @> '{"a":1.0}', '[1,2,2]'::jsonb @> '[2,2,1]', '[1]'::jsonb @> '1', '1'::jsonb @> '[1]', '[[1]]'::jsonb @> '[1]', '{"a":[1]}'::jsonb @> '{"a":1}', '[]'::jsonb <@ '[1]', '{}'::jsonb @> '{}', '{}'::jsonb @> '[]'
select '"a"'::jsonb @> '"a"', '"a"'::jsonb @> '"b"', '[1,[2,3]]'::jsonb @> '[[3]]', '{"a":{"b":1,"c":2}}'::jsonb @> '{"a":{"c":2}}', 'null'::jsonb @> 'null'
select '{"a":1}'::jsonb ? 'a', '["a"]'::jsonb ? 'a', '"a"'::jsonb ? 'a', '[1]'::jsonb ? '1', '{"a":{"b":1}}'::jsonb ? 'b'
select '{"a":1,"b":2}'::jsonb ?| array['x','b'], '{"a":1,"b":2}'::jsonb ?& array['a','b'], '{"a":1}'::jsonb ?& array['a','b'], '{"a":1}'::jsonb ?| array[]::text[], '{"a":1}'::jsonb ?& array[]::text[], '{"a":1}'::jsonb ?| array[null,'a']
# order
select '1'::jsonb = '1.0', '1'::jsonb < '2', '"a"'::jsonb < '1', 'null'::jsonb < '"a"', 'true'::jsonb > '5', '[]'::jsonb < 'null', '[1]'::jsonb > 'true', '{}'::jsonb > '[1,2,3]', '[1,2]'::jsonb > '[9]', '{"a":1}'::jsonb < '{"b":0}', '{"a":2}'::jsonb > '{"a":1}', 'false'::jsonb < 'true'
select '[[]]'::jsonb > '[1]', '"a"'::jsonb > '[]', '"a"'::jsonb < '["a"]', '{"aa":1}'::jsonb > '{"b":1}', '{"a":1,"b":2}'::jsonb > '{"z":5}', '1'::jsonb <> '1.00', '1'::jsonb >= '1', '1'::jsonb <= '0'
select jsonb_cmp('1', '1.0'), jsonb_cmp('[]', '1'), jsonb_cmp('{}', '[]')
select '{"a":1}'::json = '{"a":1}'::json
select x from (values ('[]'::jsonb), ('1'), ('"x"'), ('null'), ('{}'), ('[0]'), ('true'), ('1.0'), ('{"a":1}'), ('[1,2]'), ('false'), (null)) v(x) order by x
select distinct x from (values ('1'::jsonb), ('1.0'), ('2')) v(x) order by x
select x, count(*) from (values ('1'::jsonb), ('1.0'), ('"1"'), ('{"a":1}'), ('{"a":1.00}')) v(x) group by x order by x
select max(x) from (values ('1'::jsonb)) v(x)
select distinct x from (values ('1'::json)) v(x)
# changes
select '{"a":1}'::jsonb || '{"a":2,"b":3}', '[1]'::jsonb || '[2]', '[1]'::jsonb || '2', '1'::jsonb || '[2]', '1'::jsonb || '2', '{"a":1}'::jsonb || '[]', '[]'::jsonb || '{"a":1}', '{}'::jsonb || '{"a":1}', '{"a":1}'::jsonb || '1', 'null'::jsonb || '[]'
select '{"a":1,"b":2}'::jsonb - 'a', '["a","b","a",1]'::jsonb - 'a', '{"a":1,"b":2,"c":3}'::jsonb - array['a','c'], '[1,2,3]'::jsonb - 1, '[1,2,3]'::jsonb - -1, '[1]'::jsonb - 9, '{"a":1}'::jsonb - 'x', '[]'::jsonb - 0
select '"a"'::jsonb - 'a'
select '"a"'::jsonb - 1
select '{"a":1}'::jsonb - 1
select '{"a":[1,{"b":2}]}'::jsonb #- '{a,1,b}', '{"a":[1,2]}'::jsonb #- '{a,-1}', '{"a":1}'::jsonb #- '{}', '{"a":1}'::jsonb #- '{b,c}', '[1,2,3]'::jsonb #- '{5}'
select '1'::jsonb #- '{a}'
select '[1]'::jsonb #- '{a}'
select jsonb_set('{"a":[1,2]}', '{a,0}', '9'), jsonb_set('{"a":1}', '{b}', '2'), jsonb_set('{"a":1}', '{b}', '2', false), jsonb_set('[1]', '{5}', '2'), jsonb_set('[1]', '{-5}', '2'), jsonb_set('{"a":1}', '{b,c}', '2'), jsonb_set('{}', '{}', '2'), jsonb_set('[]', '{0}', '2'), jsonb_set('[]', '{0}', '2', false)
select jsonb_set('{"a":{"b":1}}', '{a,b}', '{"x":[]}'), jsonb_set('{"a":1}', '{a,b}', '2'), jsonb_set(null, '{a}', '1'), jsonb_set('{"a":1}', '{a}', null)
select jsonb_set('1', '{a}', '2')
select jsonb_set('[1]', '{x}', '2')
select jsonb_set('{"a":1}', '{NULL}', '2')
select jsonb_set('{"a":[1]}', '{a,x}', '2')
select jsonb_set_lax('{"a":1}', '{a}', null), jsonb_set_lax('{"a":1}', '{a}', null, true, 'delete_key'), jsonb_set_lax('{"a":1}', '{a}', null, true, 'return_target'), jsonb_set_lax('{"a":1}', '{b}', null, false), jsonb_set_lax('{"a":1}', '{b}', '3')
select jsonb_set_lax('{"a":1}', '{a}', null, true, 'raise_exception')
select jsonb_set_lax('{"a":1}', '{a}', null, true, 'foo')
select jsonb_set_lax('{"a":1}', '{a}', null, true, null)
select jsonb_insert('{"a":[0,1]}', '{a,1}', '"x"'), jsonb_insert('{"a":[0,1]}', '{a,1}', '"x"', true), jsonb_insert('{"a":1}', '{b}', '2'), jsonb_insert('[1]', '{-1}', '0'), jsonb_insert('[1]', '{9}', '0'), jsonb_insert('[1]', '{-9}', '0')
select jsonb_insert('{"a":1}', '{a}', '2')
select json_strip_nulls('{"a":1, "b":null, "c":[null, {"d":null, "e" : "\n"}]}'), jsonb_strip_nulls('{"a":1, "b":null, "c":[null, {"d":null}]}'), json_strip_nulls('null'), jsonb_strip_nulls('[null]'), json_strip_nulls(' { } ')
select jsonb_pretty('{"a":[],"b":{},"c":[1,{"d":"x"}]}'), jsonb_pretty('1'), jsonb_pretty('[]')
# examination
select json_typeof('1'), json_typeof('"x"'), json_typeof('[]'), json_typeof('{}'), json_typeof('null'), json_typeof(' true'), jsonb_typeof('1'), jsonb_typeof('"x"'), jsonb_typeof('[]'), jsonb_typeof('{}'), jsonb_typeof('null'), jsonb_typeof('false')
select json_array_length('[1,[2,3],{}]'), json_array_length('[]'), jsonb_array_length('[1,[2,3]]'), jsonb_array_length('[]')
select json_array_length('{}')
select json_array_length('1')
select jsonb_array_length('{}')
select jsonb_array_length('1')
# making json
select to_json(1), to_json('x"y'::text), to_json(true), to_json(1.50), to_json('NaN'::float8), to_json('infinity'::numeric), to_json(null::int), to_json('2024-02-03'::date), to_json('2024-02-03 04:05:06.7'::timestamp), to_json('2024-02-03 04:05:06.7+00'::timestamptz), to_json('infinity'::timestamp), to_json('0044-03-15 BC'::date)
select to_jsonb(1), to_jsonb('x"y'::text), to_jsonb(true), to_jsonb(1.50), to_jsonb('NaN'::float8), to_jsonb('-infinity'::float4), to_jsonb(null::int), to_jsonb('2024-02-03'::date), to_jsonb('2024-02-03 04:05:06.7'::timestamp), to_jsonb('2024-02-03 04:05:06.7+00'::timestamptz), to_jsonb(1e20::float8)
select to_json('1 day 02:03'::interval), to_json('\x0102'::bytea), to_json('12:34'::time), to_json('a'::"char"), to_json('6d9c45b4-1a5e-4ad3-9d8e-2b5d5b8e1c11'::uuid), to_json('{"a" : 1}'::json), to_json('{"a" : 1}'::jsonb), to_jsonb('{"a" : 1, "a":2}'::json)
select to_json(array[1,2]), to_json(array['a',null]), to_json(array[[1,2],[3,4]]), to_json('{}'::int[]), to_jsonb(array[[1,2],[3,4]]), to_json(array['{"a":1}'::json])
select to_json(row(1,'a',null,true)), to_jsonb(row(1,'a',null,row(2))), row_to_json(row(1,'x')), row_to_json(row(1,'x'),true), array_to_json(array[[1,2],[3,4]],true), array_to_json(array[1,2])
select to_json('x')
select json_build_array(), json_build_array(1,'a',null,true,'{"b":1}'::json,array[1,2]), jsonb_build_array(), jsonb_build_array(1,'a',null,true,'{"b":1}'::json,array[1,2])
select json_build_object(), json_build_object('a',1,'b',null,3,array[1]), jsonb_build_object(), jsonb_build_object('b',1,'a',null,3,array[1]), json_build_object(true, 1, '2024-01-01'::date, 2)
select json_build_object('a')
select jsonb_build_object('a',1,'b')
select json_build_object(null,1)
select jsonb_build_object('a',1,null,1)
select json_build_object(array[1],1)
select jsonb_build_object('{}'::json,1)
select json_build_object(variadic array['a','b','c','d']), jsonb_build_object(variadic '{}'::text[]), json_build_array(variadic array[1,2]), jsonb_build_array(variadic null::int[])
select json_build_array(variadic 'a')
select json_object('{a,1,b,2}'), json_object('{{a,1},{b,2}}'), json_object('{a,b}','{1,NULL}'), jsonb_object('{b,1,a,2}'), jsonb_object('{a,b}','{1,NULL}'), json_object('{}'), jsonb_object('{}','{}')
select json_object('{a,1,b}')
select json_object('{{a,1,x},{b,2,y}}')
select json_object('{a}','{1,2}')
select json_object('{NULL,1}')
select json_object('{{{a,1}}}')
select jsonb_object('{NULL}','{1}')
# sets
select * from json_each('{"a":1, "b" : "x", "c":null}')
select * from json_each_text('{"a":1, "b" : "x", "c":null}')
select * from jsonb_each('{"bb":1, "a" : "x", "c":null}')
select * from jsonb_each_text('{"bb":1, "a" : "x", "c":null}') as t(k, v)
select * from json_each('[1]')
select * from json_each('1')
select * from jsonb_each('[1]')
select * from jsonb_each_text('1')
select jsonb_each('{"a":1,"b":"x,y"}')
select (jsonb_each('{"a":1,"b":2}')).key
select json_object_keys('{"b":1,"a":2,"b":3}')
select jsonb_object_keys('{"bb":1,"a":2,"bb":3}')
select * from json_object_keys('{"b":1}')
select json_object_keys('[1]')
select jsonb_object_keys('1')
select json_array_elements('[1, {"a" : 2}, null, "x"]')
select json_array_elements_text('[1, {"a" : 2}, null, "x"]')
select jsonb_array_elements('[1, {"a" : 2}, null, "x"]')
select * from jsonb_array_elements_text('[1, {"a" : 2}, null, "x"]')
select * from jsonb_array_elements('[1,2]') with ordinality as e(v, n)
select json_array_elements('{}')
select json_array_elements('1')
select jsonb_array_elements('{}')
select jsonb_array_elements_text('1')
select * from json_to_record('{"a":1,"b":[1,2],"c":"x","d":{"e":1},"f":"2024-01-02"}') as x(a int, b int[], c text, d json, f date, g bool)
select * from jsonb_to_record('{"a":1.6,"b":"{1,2}","c":null,"d":{"e":1}}') as x(a numeric, b int[], c text, d jsonb)
select * from json_to_recordset('[{"a":1,"b":"foo"},{"a":"2","c":"bar"}]') as x(a int, b text)
select * from jsonb_to_recordset('[{"a":1,"b":"foo"},{"a":"2","c":"bar"}]') as x(a int, b text)
select * from jsonb_to_recordset('[{"a":[[1,2],[3,4]]}]') as x(a int[])
select * from jsonb_to_record('{"a":"x"}') as x(a int)
select * from jsonb_to_record('[1]') as x(a int)
select * from jsonb_to_recordset('[1]') as x(a int)
select * from jsonb_to_record('{"a":[1,[2]]}') as x(a int[])
select * from jsonb_to_record('{"a":1}') as x(a int[])
select e.v ->> 'n' from jsonb_array_elements('[{"n":1},{"n":"b"}]') e(v) where e.v ? 'n'
# aggregates
select json_agg(x) from (values (1), (null), (3)) v(x)
select jsonb_agg(x) from (values (1), (null), (3)) v(x)
select json_agg(x order by x desc), jsonb_agg(distinct x) from (values ('b'), ('a'), ('b')) v(x)
select json_agg(v) from (values (1,'a'), (2,'b')) v(x,y)
select jsonb_agg(v) from (values (1,'a'), (2,'b')) v(x,y)
select json_agg(x), jsonb_agg(x) from (values (1)) v(x) where x > 5
select json_agg(array[x,x]) from (values (1), (2)) v(x)
select json_object_agg(k, v), jsonb_object_agg(k, v) from (values ('b', 1), ('a', 2), ('b', null)) t(k,v)
select json_object_agg(null::text, 1)
select jsonb_object_agg(null::text, 1)
select json_object_agg(array[1], 1)
select row_to_json(v) from (values (1,'a'), (2,null)) v(x,y)
select to_jsonb(v) from (values (1,'a')) v(x,y)
select row_to_json(q) from (select 1 as a, array[1,2] as b, '{"c":1}'::jsonb as "C d") q
# in tables
create table j (id int primary key, d jsonb, t json)
insert into j values (1, '{"a": 1, "tags": ["x", "y"]}', '{"k": 1}'), (2, '{"a": 2}', null), (3, null, '[1,2]')
select * from j order by id
select id, d->>'a' from j where d @> '{"a": 1}'
update j set d = d || '{"z": true}' where id = 2
update j set d['b']['c'] = '5' where id = 1
update j set d['tags'][3] = '"w"', t = '"new"' where id = 1
update j set d['a'] = '{"n": 1}' where id = 3
update j set d['a']['x']['y'] = '1' where id = 2
select id, d, t from j order by id
select j.d from j where id = 1
select row_to_json(j) from j order by id
insert into j values (4, 'oops', null)
insert into j values (4, '{"a"', null)
select sum((d->>'z')::bool::int) from j
create table jk (d jsonb primary key)
insert into jk values ('[]'), ('1'), ('"x"'), ('null'), ('{}'), ('[0]'), ('true'), ('{"a":1}'), ('[1,2]'), ('false'), ('-3.5'), ('{"b":[1]}')
insert into jk values ('1')
select d from jk order by d
select d from jk where d = '1.00'
select d from jk where d > '[0]' order by d desc
