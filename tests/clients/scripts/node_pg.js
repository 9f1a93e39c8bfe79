// node-postgres: parameters, named statements, transactions, errors, a pool.
const { Client, Pool } = require('pg');
const assert = require('assert');
const ports = process.env.CLIENT_PORTS.split(',');
const at = (i) => ({ host: '127.0.0.1', port: +ports[i % ports.length], user: 'postgres', database: 'postgres', ssl: false });

(async () => {
  const c = new Client(at(0));
  await c.connect();
  await c.query('create table node_t (id serial primary key, name text not null unique, n int, doc jsonb, at timestamptz default now())');
  try {
    const r = await c.query('insert into node_t (name, n, doc) values ($1, $2, $3) returning id, at', ['one', 1, { a: [1] }]);
    assert(r.rows[0].id === 1 && r.rows[0].at instanceof Date);
    for (let i = 0; i < 3; i++) {
      const q = await c.query({ name: 'find', text: 'select name, doc from node_t where id = $1', values: [1] });
      assert.deepStrictEqual(q.rows, [{ name: 'one', doc: { a: [1] } }]);
    }
    await assert.rejects(c.query('insert into node_t (name) values ($1)', ['one']), (e) => e.code === '23505' && e.constraint === 'node_t_name_key');
    await c.query('begin');
    await c.query('update node_t set n = 2');
    await c.query('rollback');
    const many = await c.query('select 1 as a; select n from node_t');
    assert(many.length === 2 && many[1].rows[0].n === 1);
    const pools = [0, 1, 2].map((i) => new Pool({ ...at(i), max: 2 }));
    await Promise.all([].concat(...pools.map((p) => Array.from({ length: 10 }, () => p.query('update node_t set n = n + 1 where id = 1')))));
    await Promise.all(pools.map((p) => p.end()));
    assert.strictEqual((await c.query('select n from node_t')).rows[0].n, 31);
  } finally {
    await c.query('drop table node_t');
    await c.end();
  }
  console.log('ok');
})().catch((e) => { console.error(e); process.exit(1); });
