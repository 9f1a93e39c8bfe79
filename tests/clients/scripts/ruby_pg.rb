# ruby-pg: parameters, prepared statements, transactions, errors, COPY, pipelines.
require 'pg'
ports = ENV['CLIENT_PORTS'].split(',')
c = PG.connect(host: '127.0.0.1', port: ports[0], user: 'postgres', dbname: 'postgres', sslmode: 'disable')
c.set_notice_receiver { }
c.exec('create table rb_t (id serial primary key, name text not null unique, n int)')
begin
  id = c.exec_params('insert into rb_t (name, n) values ($1, $2) returning id', ['one', 1])[0]['id']
  raise id unless id == '1'
  c.prepare('find', 'select name, n from rb_t where id = $1')
  raise 'find' unless c.exec_prepared('find', [1]).values == [%w[one 1]]
  begin
    c.exec_params('insert into rb_t (name) values ($1)', ['one'])
    raise 'a duplicate was taken'
  rescue PG::UniqueViolation => e
    raise e unless e.result.error_field(PG::PG_DIAG_CONSTRAINT_NAME) == 'rb_t_name_key'
  end
  c.transaction { |t| t.exec("insert into rb_t (name, n) values ('tx', 2)") }
  begin
    c.transaction { |t| t.exec("insert into rb_t (name, n) values ('gone', 2)"); raise 'undo' }
  rescue RuntimeError
  end
  c.copy_data('copy rb_t (name, n) from stdin') { 10.times { |i| c.put_copy_data("c#{i}\t#{i}\n") } }
  out = +''
  c.copy_data('copy (select name from rb_t order by name) to stdout') { while (l = c.get_copy_data) do out << l end }
  raise out unless out.lines.size == 12
  c.type_map_for_results = PG::BasicTypeMapForResults.new(c)
  raise 'types' unless c.exec('select sum(n)::int from rb_t')[0]['sum'] == 48
  c.send_query('select id from rb_t order by id')
  c.set_single_row_mode
  rows = 0
  while (r = c.get_result) do rows += r.ntuples end
  raise rows.to_s unless rows == 12
ensure
  c.exec('drop table rb_t')
end
puts 'ok'
