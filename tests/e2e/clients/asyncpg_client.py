"""Does with asyncpg what every client of the stage does, and prints what it saw."""

import asyncio

import asyncpg


def show(step, *values):
    print(step, *values, sep=" | ")


async def failure(step, awaitable):
    try:
        await awaitable
        show(step, "no error")
    except asyncpg.PostgresError as error:
        show(step, error.sqlstate, error.message)


async def transaction(connection):
    moves = connection.transaction()
    await moves.start()
    await connection.execute("insert into scratch values ($1, $2)", 3, "three")
    show("inside", await connection.fetch("select id, word from scratch"))
    await moves.rollback()
    show("outside", await connection.fetchval("select count(*) from scratch"))


async def cancel(connection):
    try:
        await connection.fetch("select pg_sleep(60)", timeout=0.5)
        show("cancelled", "no error")
    except asyncio.TimeoutError:
        show("cancelled", "timeout")
    show("after it", await connection.fetchval("select 'well'"))


async def notify(connection):
    heard = asyncio.get_running_loop().create_future()
    mine = connection.get_server_pid()
    await connection.add_listener("stage", lambda _, pid, channel, text: heard.set_result((pid == mine, channel, text)))
    await connection.execute("notify stage, 'hello'")
    show("notified", await asyncio.wait_for(heard, 10))


async def main():
    connection = await asyncpg.connect(timeout=30)
    show("connected", connection.get_server_version())
    for row in await connection.fetch("select id, total, placed, paid, remark from orders where id <= $1 order by id", 5):
        show("row", *row.values())
    statement = await connection.prepare("select id, total from orders where id = $1")
    show("columns", [(a.name, a.type.name) for a in statement.get_attributes()])
    for n in range(1, 9):
        show("prepared", *(await statement.fetchrow(n)).values())
    show("script", await connection.execute("select 1; select 2"))
    await connection.executemany("update scratch set word = $2 where id = $1", [(n, "x") for n in range(100)])
    show("many", "done")
    await failure("division", connection.fetch("select 1 / $1::int", 0))
    await failure("conversion", connection.fetch("select 'x'::int"))
    await transaction(connection)
    await cancel(connection)
    big = await connection.fetch("select n, repeat('x', 100) as text from generate_series(1, 200000) n")
    show("big", sum(row["n"] + len(row["text"]) for row in big))
    async with connection.transaction():
        total = 0
        async for row in connection.cursor("select id from orders order by id", prefetch=1000):
            total += row["id"]
        show("cursor", total)
    await notify(connection)
    for row in await connection.fetch("select id, name, ssn from customers where id <= $1 order by id", 3):
        show("masked", *row.values())
    await connection.close()


asyncio.run(main())
