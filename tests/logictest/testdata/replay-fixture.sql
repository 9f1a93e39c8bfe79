create table orders (id serial primary key, customer_id bigint not null, total numeric(12,2) not null check (total >= 0), tags text[] default '{}', doc jsonb, placed date default current_date, u uuid, flags boolean default false, raw bytea, ratio double precision, n smallint, ts timestamp, t time, iv interval, ch char(3), unique (customer_id, placed));
create view mv as select count(*) n from orders;
create table pt (id int, k text, primary key (id,k));
create table pt0 (id int, k text, primary key (id,k));
create table pt1 (id int, k text, primary key (id,k));
create table s2.customers (id int primary key, parent int);
create index orders_lower on customers (name);
create index orders_big on orders (total desc)
