# Arrays: section 8.15 and 9.19.
select '{1,2,3}'::int[], '{{1,2},{3,4}}'::int[], '[0:1]={1,2}'::int[], '{}'::int[], '{NULL,"NULL",""," a ","x,y","q\"z"}'::text[], '{ 1 , 2 }'::int[]
select '{1,2'::int[]
select '{1,{2}}'::int[]
select '{{1,2},{3}}'::int[]
select '{1,}'::int[]
select '1,2'::int[]
select '{1}x'::int[]
select '[1:2]={1}'::int[]
select '[2:1]={}'::int[]
select '{a}'::int[]
select array[1,2,3], array[[1,2],[3,4]], array[]::int[], array[array[]::int[]], array[1,null], array['a','b'], array[1,2.5]
select array[[1,2],[3]]
select array[1,'a']
select array[]
select array[1,true]
select (array[1,2,3])[2], (array[1,2,3])[0], (array[1,2,3])[5], (array[[1,2],[3,4]])[2][1], (array[[1,2],[3,4]])[1], ('[0:2]={7,8,9}'::int[])[0], (array[1,2])[null]
select (array[1,2,3,4])[2:3], (array[1,2,3,4])[:2], (array[1,2,3,4])[3:], (array[1,2,3])[:], (array[1,2,3])[5:6], (array[1,2,3])[2:1], (array[[1,2],[3,4]])[1:1], (array[[1,2],[3,4]])[:][2:2], (array[[1,2],[3,4]])[2:2][1:1], (array[[1,2],[3,4]])[2][1:1]
select array[1,2] || 3, 0 || array[1,2], array[1,2] || array[3], array[1] || null::int[], null::int[] || array[1], array[[1,2]] || array[3,4], array[1,2] || array[[3,4]], array[1] || null, '{}'::int[] || 1
select array[[1,2]] || array[[1,2,3]]
select array[1,2,3] || array[[1,2]]
select array[[[1,2]]] || array[1,2]
select array[1,2] @> array[2], array[1,2] @> '{}', array[2] <@ array[1,2], array[1,2] && array[2,3], array[1] && array[2], array[1,null] @> array[null]::int[], '{}'::int[] <@ array[1], array[1,1] @> array[1,1,1]
select array[1,2] = array[1,2], array[1,2] < array[1,3], array[1,2] < array[1,2,0], array[1,null] = array[1,null], array[2] > array[1,9], array[1] <> '{1}', array[[1,2]] = array[1,2], '{}'::int[] < array[1], '[0:1]={1,2}'::int[] = '{1,2}'::int[]
select array_append(array[1],2), array_append(null::int[],1), array_prepend(0,array[1]), array_cat(array[1],array[2,3]), array_append('[0:0]={5}'::int[], 6)
select array_append(array[[1]],2)
select array_dims(array[[1,2],[3,4]]), array_ndims(array[[1]]), array_length(array[1,2],1), array_length(array[1],2), array_length('{}'::int[],1), array_lower('[3:4]={1,2}'::int[],1), array_upper('[3:4]={1,2}'::int[],1), cardinality(array[[1,2],[3,4]]), cardinality('{}'::int[]), array_ndims('{}'::int[])
select array_fill(7,array[2]), array_fill(7,array[2,2]), array_fill(null::int,array[2]), array_fill(1,array[2],array[5]), array_fill('x'::text,array[0])
select array_fill(1,null)
select array_fill(1,array[-1])
select array_fill(1,array[1,null])
select array_position(array[1,2,3,2],2), array_position(array[1,2,3,2],2,3), array_position(array[1],9), array_position(array[1,null],null), array_positions(array[1,2,1],1), array_positions(array[1],5), array_position('[0:1]={a,b}'::text[],'b')
select array_position(array[[1]],1)
select array_remove(array[1,2,1],1), array_remove(array[1,null],null), array_replace(array[1,2,1],1,9), array_replace(array[1,null],null,0), array_remove('{}'::int[],1)
select array_remove(array[[1]],1)
select array_to_string(array[1,null,3],','), array_to_string(array[1,null,3],',','*'), array_to_string(array[[1,2],[3,4]],'-'), array_to_string('{}'::int[],','), array_to_string(null::int[],','), array_to_string(array['a','b'],null)
select string_to_array('a,b,c',','), string_to_array('a,b,,c',',',''), string_to_array('abc',null), string_to_array('',','), string_to_array('abc',''), string_to_array(null,','), string_to_array('a,b','x')
select trim_array(array[1,2,3],2), trim_array(array[1,2],0), trim_array('[2:4]={1,2,3}'::int[],1)
select trim_array(array[1],2)
select trim_array(array[1],-1)
select unnest(array[1,2,null])
select unnest(array[[1,2],[3,4]])
select unnest('{}'::int[])
select * from unnest(array[1,2], array['a','b','c'])
select * from unnest(array[1,2], array['a','b','c']) as t(x, y)
select * from unnest(array[1,2]) with ordinality
select * from unnest(array[1,2], array['a']) with ordinality as t(a,b,n)
select generate_subscripts('[2:4]={1,2,3}'::int[],1), generate_subscripts(array[1,2],1,true)
select array_agg(x), array_agg(x order by x desc), array_agg(distinct x) from (values (2),(1),(2),(null)) v(x)
select array_agg(a) from (values (array[1,2]),(array[3,4])) v(a)
select array_agg(a) from (values (array[1,2]),(array[3])) v(a)
select array_agg(a) from (values (array[1,2]),(null)) v(a)
select array_agg(x) from (values (1)) v(x) where x > 1
select 2 = any(array[1,2]), 3 = any(array[1,2]), null = any(array[1]), 1 = any(array[2,null]), 1 = any('{}'::int[]), 2 > all(array[0,1]), 1 = all('{}'::int[]), 1 <> all(array[1,null]), 'a' like any(array['b%','a%']), 1 = any(null::int[])
select 1 = any(1)
select 1 = any('{1,2}')
select array(select x from (values (3),(1)) v(x) order by x), array(select 1 where false), array(select array[1,2])
select array['1','2']::int[], array[1,2]::text[], '{1,2}'::text::int[], array[1.6,2.5]::int[], array['a']::varchar(1)[], array[1,2]::text
select array['x']::int[]
select array[1,2]::int
select array_to_json(array[1,2]), pg_typeof(array[1,2]), pg_typeof(array['a'::varchar]), pg_typeof(array[now()]), pg_typeof('{}'::int2vector)
select array[1,2] is null, array[null] is null, coalesce(null::int[], array[1])
select min(a), max(a) from (values (array[1,2]),(array[1,3])) v(a)
select array_larger(array[1],array[2]), array_smaller(array[1],array[2])
create table arr (id int primary key, a int[], t text[], m int[][])
insert into arr values (1, '{1,2,3}', '{a}', '{{1,2},{3,4}}'), (2, null, null, null), (3, '{}', '{}', '{}')
update arr set a[2] = 9, t[1] = 'z', m[2][1] = 7 where id = 1
update arr set a[5] = 5 where id = 1
update arr set a[-1] = 0 where id = 2
update arr set a[2] = 2 where id = 3
update arr set m[1][1] = 1 where id = 2
select * from arr order by id
update arr set a[1:2] = '{7,8}' where id = 1
update arr set a[2:3] = array[5,6] where id = 3
update arr set a[1:3] = '{1}' where id = 1
update arr set m[9][9] = 1 where id = 1
update arr set m[1] = 1 where id = 1
update arr set a[null] = 1 where id = 1
update arr set a[1] = 'x' where id = 1
update arr set a['y'] = 1 where id = 1
update arr set id[1] = 1
update arr set a[1] = 1, a = '{}' where id = 1
update arr set t[2:3] = '{p,q}' where id = 1
update arr set a[:] = '{4,4,4,4,4}' where id = 1
update arr set a[:2] = '{4,4}' where id = 2
# nobin
select * from arr order by id
select id from arr where a @> '{4}' or 5 = any(a) order by id
# nobin
select a[1], a[1:2], m[1][2], m[2:2] from arr order by id
select array_length(a, 1), cardinality(m) from arr order by id
# nobin
select distinct a from arr order by a
select id, x from arr, unnest(a) x where id < 3 order by id, x
select id, x, n from arr cross join lateral unnest(t) with ordinality u(x, n) order by id, n
