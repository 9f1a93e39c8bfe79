// drizzle: typed queries, transactions, relations of columns, over node-postgres.
const assert = require('assert');
const { Pool } = require('pg');
const { drizzle } = require('drizzle-orm/node-postgres');
const { pgTable, serial, text, integer, timestamp, jsonb } = require('drizzle-orm/pg-core');
const { eq, sql, gt } = require('drizzle-orm');
const pool = new Pool({ host: '127.0.0.1', port: +process.env.CLIENT_PORTS.split(',')[2], user: 'postgres', database: 'postgres', ssl: false });
const db = drizzle(pool);
const items = pgTable('drizzle_t', { id: serial('id').primaryKey(), name: text('name').notNull().unique(), n: integer('n').default(7), doc: jsonb('doc'), at: timestamp('at').defaultNow() });

(async () => {
  await db.execute(sql`create table drizzle_t (id serial primary key, name text not null unique, n integer default 7, doc jsonb, at timestamp default now())`);
  try {
    const rows = await db.insert(items).values([{ name: 'a', doc: { x: [1] } }, { name: 'b', n: 1 }]).returning();
    assert(rows.length === 2 && rows[0].n === 7 && rows[0].at instanceof Date);
    await db.insert(items).values({ name: 'a', n: 8 }).onConflictDoUpdate({ target: items.name, set: { n: 8 } });
    await assert.rejects(db.insert(items).values({ name: 'b' }));
    await assert.rejects(db.transaction(async (tx) => { await tx.update(items).set({ n: 100 }); throw new Error('undo'); }));
    await db.transaction(async (tx) => {
      await tx.update(items).set({ n: sql`${items.n} + 1` }).where(eq(items.name, 'b'));
      await tx.transaction(async (inner) => { await inner.delete(items).where(eq(items.name, 'none')); });
    });
    const got = await db.select({ name: items.name, n: items.n }).from(items).where(gt(items.n, 1)).orderBy(items.name);
    assert.deepStrictEqual(got, [{ name: 'a', n: 8 }, { name: 'b', n: 2 }]);
    const prepared = db.select().from(items).where(eq(items.id, sql.placeholder('id'))).prepare('drizzle_find');
    assert.strictEqual((await prepared.execute({ id: 1 }))[0].name, 'a');
  } finally {
    await db.execute(sql`drop table drizzle_t`);
    await pool.end();
  }
  console.log('ok');
})().catch((e) => { console.error(e); process.exit(1); });
