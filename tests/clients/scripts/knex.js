// knex: schema builder, queries, transactions, migrations.
const assert = require('assert');
const port = +process.env.CLIENT_PORTS.split(',')[1];
const knex = require('knex')({ client: 'pg', connection: { host: '127.0.0.1', port, user: 'postgres', database: 'postgres', ssl: false } });

class Source {
  getMigrations() { return Promise.resolve(['one', 'two']); }
  getMigrationName(m) { return m; }
  getMigration(m) {
    return m === 'one'
      ? { up: (k) => k.schema.createTable('knex_t', (t) => { t.increments(); t.string('name').notNullable().unique(); t.decimal('price', 8, 2).defaultTo(1); t.jsonb('doc'); t.timestamps(true, true); t.index(['price', 'name']); }), down: (k) => k.schema.dropTable('knex_t') }
      : { up: (k) => k.schema.alterTable('knex_t', (t) => { t.integer('extra'); }), down: (k) => k.schema.alterTable('knex_t', (t) => { t.dropColumn('extra'); }), config: { transaction: false } };
  }
}

(async () => {
  const config = { migrationSource: new Source(), tableName: 'knex_migrations' };
  try {
    assert.strictEqual((await knex.migrate.latest(config))[1].length, 2);
    assert.strictEqual((await knex.migrate.latest(config))[1].length, 0);
    const ids = await knex('knex_t').insert([{ name: 'a', doc: { x: 1 } }, { name: 'b', price: 2.5 }]).returning('id');
    assert.strictEqual(ids.length, 2);
    await assert.rejects(knex('knex_t').insert({ name: 'a' }), (e) => e.code === '23505');
    await knex('knex_t').insert({ name: 'a', price: 9 }).onConflict('name').merge();
    await knex.transaction(async (t) => { await t('knex_t').where({ name: 'b' }).forUpdate(); await t('knex_t').where({ name: 'b' }).increment('price', 1); });
    assert.strictEqual((await knex('knex_t').sum('price as s'))[0].s, '12.50');
    assert(await knex.schema.hasColumn('knex_t', 'extra'));
    assert.strictEqual((await knex('knex_t').columnInfo()).name.maxLength, 255);
  } finally {
    await knex.migrate.rollback(config, true).catch((e) => { console.error(e); process.exitCode = 1; });
    await knex.schema.dropTableIfExists('knex_migrations');
    await knex.schema.dropTableIfExists('knex_migrations_lock');
    await knex.destroy();
  }
  if (!process.exitCode) console.log('ok');
})().catch((e) => { console.error(e); process.exit(1); });
