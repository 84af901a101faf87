-- Obviously fake customers: sample names, example.com, published test cards, serial numbers.
-- Variables: login, password (the stored credential).

create role :login login password :'password';

create table customers (
    id      integer primary key,
    name    text not null,
    email   text not null,
    ssn     text not null,
    card    text not null,
    born    date not null,
    balance numeric(12, 2) not null,
    notes   text
);

insert into customers
select n,
       (array['Ada', 'Ben', 'Cleo', 'Dan', 'Eve', 'Finn', 'Gia', 'Hugo'])[1 + n % 8] || ' Sample ' || n,
       'customer.' || n || '@example.com',
       format('%s-%s-%s', 100 + n % 500, lpad((1 + n % 99)::text, 2, '0'), lpad((1 + n * 7 % 9999)::text, 4, '0')),
       (array['4111111111111111', '5555555555554444', '4012888888881881', '6011111111111117'])[1 + n % 4],
       date '1950-01-01' + n * 11 % 20000,
       (n * 137 % 1000000) / 100.0,
       case n % 3
           when 0 then 'Called about an invoice; gave SSN '
               || format('%s-%s-%s', 100 + n % 500, lpad((1 + n % 99)::text, 2, '0'), lpad((1 + n * 7 % 9999)::text, 4, '0'))
               || ' and the card 4111 1111 1111 1111.'
           when 1 then 'Write to customer.' || n || '@example.com or call +1 202-555-0143; IBAN DE89370400440532013000.'
           else 'Prefers to be called in the morning.'
       end
from generate_series(1, 1000) n;

create table orders (
    id          integer primary key,
    customer_id integer not null references customers (id),
    placed      timestamptz not null,
    total       numeric(10, 2) not null,
    paid        boolean not null,
    remark      text
);

insert into orders
select n, 1 + n % 1000, timestamptz '2026-01-01 00:00:00+00' + n * interval '1 minute',
       (n * 31 % 100000) / 100.0, n % 2 = 0, case when n % 5 <> 0 then 'order ' || n end
from generate_series(1, 5000) n;

create table scratch (id integer primary key, word text);

grant select, insert, update, delete on customers, orders, scratch to :login;
analyze;
