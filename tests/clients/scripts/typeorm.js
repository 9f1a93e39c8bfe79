// TypeORM: synchronize twice (the second time nothing), repositories, transactions.
const assert = require('assert');
const { DataSource, EntitySchema } = require('typeorm');
const Item = new EntitySchema({
  name: 'Item', tableName: 'typeorm_t',
  columns: {
    id: { type: Number, primary: true, generated: true },
    name: { type: String, length: 40, unique: true },
    price: { type: 'numeric', precision: 8, scale: 2, default: 0 },
    kind: { type: 'enum', enum: ['x', 'y'], default: 'x' },
    tags: { type: 'text', array: true, nullable: true },
    doc: { type: 'jsonb', nullable: true },
    created: { type: 'timestamptz', createDate: true },
  },
  indices: [{ name: 'typeorm_i', columns: ['price', 'name'] }],
});
const ds = new DataSource({ type: 'postgres', host: '127.0.0.1', port: +process.env.CLIENT_PORTS.split(',')[0], username: 'postgres', database: 'postgres', entities: [Item], synchronize: false, logging: false, installExtensions: false });

(async () => {
  await ds.initialize();
  try {
    await ds.synchronize();
    const log = await ds.driver.createSchemaBuilder().log();
    assert.deepStrictEqual(log.upQueries.map((q) => q.query), []);
    const repo = ds.getRepository('Item');
    const a = await repo.save({ name: 'a', price: 1.5, tags: ['p', 'q'], doc: { z: 1 } });
    assert(a.id === 1 && a.created instanceof Date);
    await repo.upsert({ name: 'a', price: 3 }, ['name']);
    await assert.rejects(repo.insert({ name: 'a' }), (e) => e.driverError.code === '23505');
    await ds.transaction(async (m) => {
      const row = await m.findOne('Item', { where: { name: 'a' }, lock: { mode: 'pessimistic_write' } });
      row.kind = 'y';
      await m.save('Item', row);
    });
    const got = await repo.findOneBy({ name: 'a' });
    assert(got.kind === 'y' && got.price === '3.00' && got.tags[1] === 'q', JSON.stringify(got));
    await repo.delete({ name: 'a' });
    assert.strictEqual(await repo.count(), 0);
  } finally {
    await ds.query('drop table if exists typeorm_t, typeorm_metadata');
    await ds.query('drop type if exists typeorm_t_kind_enum');
    await ds.destroy();
  }
  console.log('ok');
})().catch((e) => { console.error(e); process.exit(1); });
