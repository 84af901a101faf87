\echo query
select id, total, placed, paid, remark from orders where id <= 5 order by id;
\echo empty
;
select 1 as a, 'two' as b, null as c, true as d;
\echo two in one
select 1 \; select 2;
\echo prepared
prepare one (int) as select id, total from orders where id = $1;
execute one(7);
execute one(8);
deallocate one;
\echo error
select 1 / 0;
select 'not a number'::int;
\echo transaction
begin;
insert into scratch values (1, 'one');
select id, word from scratch;
rollback;
select count(*) from scratch;
\echo failed transaction
begin;
select 1 / 0;
select 1;
rollback;
\echo cursor
begin;
declare walk cursor for select id, remark from orders order by id;
fetch 3 from walk;
fetch 2 from walk;
close walk;
commit;
\echo big
\o /dev/null
select n, repeat('x', 100) from generate_series(1, 200000) n;
\o
\echo :ROW_COUNT
\echo notify
listen stage;
notify stage, 'hello';
select 1;
\echo catalog
\d customers
\d+ orders
\dt
\di
\dv
\dn
\df
\dT
\l
\echo masked
select 'masked' as step, id, name, ssn from customers where id <= 3 order by id;
