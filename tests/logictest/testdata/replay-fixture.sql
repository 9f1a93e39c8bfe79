create table customers (id bigint default 1e9 + floor(random() * 1e15) primary key, name text not null, email varchar(255) unique, created_at timestamptz not null default now(), mood text default 'ok');
create table orders (id int default 1e6 + floor(random() * 2e9) primary key, customer_id bigint not null, total numeric(12,2) not null check (total >= 0), tags text[] default '{}', placed date default current_date, u uuid, flags boolean default false, raw bytea, ratio double precision, n smallint, ts timestamp, t time, iv interval, ch char(3), unique (customer_id, placed));
insert into customers (id, name, email) select i, 'c' || i, 'c' || i || '@x' from generate_series(1, 20) i;
insert into orders (id, customer_id, total) select i, i, i * 20 from generate_series(1, 20) i
