// Does with node's pg what every client of the stage does, and prints what it saw.
'use strict';

const fs = require('node:fs');
const { Client } = require('pg');

const show = (step, ...values) => console.log([step, ...values.map((v) => JSON.stringify(v))].join(' | '));

const settings = () => {
  const authority = process.env.PGSSLROOTCERT;
  delete process.env.PGSSLMODE;
  delete process.env.PGSSLROOTCERT;
  return authority ? { ssl: { ca: fs.readFileSync(authority, 'utf8') } } : { ssl: false };
};

const failure = async (step, promise) => {
  try {
    await promise;
    show(step, 'no error');
  } catch (error) {
    show(step, error.code, error.message);
  }
};

// pg has no call for cancelling; another connection asks, with the key it was given.
const cancel = async (client, options) => {
  const running = failure('cancelled', client.query('select pg_sleep(60)'));
  const other = new Client(options);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const closed = new Promise((resolve) => other.connection.once('end', resolve));
  const ask = () => other.connection.cancel(client.processID, client.secretKey);
  other.connection.once('connect', () => (options.ssl ? other.connection.requestSsl() : ask()));
  other.connection.once('sslconnect', ask);
  other.connection.on('error', () => {});
  other.connection.connect(Number(process.env.PGPORT), process.env.PGHOST);
  await running;
  await closed;
  show('after it', (await client.query("select 'well' as word")).rows);
};

const notify = async (client) => {
  const heard = new Promise((resolve) => client.once('notification', resolve));
  await client.query('listen stage');
  await client.query("notify stage, 'hello'");
  const note = await heard;
  show('notified', note.channel, note.payload, note.processId === client.processID);
};

const main = async () => {
  const options = settings();
  const client = new Client(options);
  await client.connect();
  const rows = await client.query('select id, total, placed, paid, remark from orders where id <= 5 order by id');
  show('columns', rows.fields.map((f) => [f.name, f.dataTypeID]));
  rows.rows.forEach((row) => show('row', row));
  for (let n = 1; n <= 8; n += 1) {
    const query = { name: 'one', text: 'select id, total from orders where id = $1', values: [n] };
    show('prepared', (await client.query(query)).rows);
  }
  const several = await Promise.all([...Array(50).keys()].map((n) => client.query('select $1::int * 2 as twice', [n])));
  show('queued', several.map((result) => result.rows[0].twice));
  show('two in one', (await client.query('select 1 as a; select 2 as b')).map((result) => result.rows));
  await failure('division', client.query('select 1 / $1::int', [0]));
  await failure('conversion', client.query("select 'x'::int"));
  await client.query('begin');
  await client.query('insert into scratch values ($1, $2)', [4, 'four']);
  show('inside', (await client.query('select id, word from scratch')).rows);
  await client.query('rollback');
  show('outside', (await client.query('select count(*) from scratch')).rows);
  await cancel(client, options);
  const big = await client.query("select n, repeat('x', 100) as text from generate_series(1, 200000) n");
  show('big', big.rows.reduce((sum, row) => sum + row.n + row.text.length, 0));
  await notify(client);
  const masked = await client.query('select id, name, ssn from customers where id <= $1 order by id', [3]);
  masked.rows.forEach((row) => show('masked', row));
  await client.end();
};

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
