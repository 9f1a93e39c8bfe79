<?php
// PDO: prepared statements, transactions, errors, lastInsertId, column metadata, COPY.
$ports = explode(',', getenv('CLIENT_PORTS'));
$db = new PDO("pgsql:host=127.0.0.1;port={$ports[1]};dbname=postgres;sslmode=disable", 'postgres', '');
$db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
function check($ok, $what) { if (!$ok) { fwrite(STDERR, "$what\n"); exit(1); } }
$db->exec('create table php_t (id serial primary key, name text not null unique, n int, flag bool)');
try {
    $st = $db->prepare('insert into php_t (name, n, flag) values (:name, :n, :flag)');
    foreach (['one' => 1, 'two' => 2] as $name => $n) {
        $st->bindValue(':name', $name);
        $st->bindValue(':n', $n, PDO::PARAM_INT);
        $st->bindValue(':flag', $n > 1, PDO::PARAM_BOOL);
        $st->execute();
    }
    check($db->lastInsertId() == 2 && $db->lastInsertId('php_t_id_seq') == 2, 'lastInsertId');
    $st = $db->prepare('select name, n, flag from php_t where n >= ? order by id');
    $st->execute([1]);
    check($st->fetchAll(PDO::FETCH_NUM) === [['one', 1, false], ['two', 2, true]], 'rows');
    $meta = $st->getColumnMeta(1);
    check($meta['native_type'] === 'int4' && $meta['table'] === 'php_t', json_encode($meta));
    try {
        $db->exec("insert into php_t (name) values ('one')");
        check(false, 'a duplicate was taken');
    } catch (PDOException $e) {
        check($e->getCode() === '23505', $e->getMessage());
    }
    $db->beginTransaction();
    $db->exec("update php_t set n = 10 where name = 'one'");
    $db->rollBack();
    $db->beginTransaction();
    $db->exec("update php_t set n = n + 5 where name = 'two'");
    $db->commit();
    check($db->query('select sum(n) from php_t')->fetchColumn() == 8, 'sum');
    $db->pgsqlCopyFromArray('php_t', ["10\tten\t10\tt", "11\televen\t11\tf"]);
    check(count($db->pgsqlCopyToArray('php_t')) === 4, 'copy');
} finally {
    $db->exec('drop table php_t');
}
echo "ok\n";
