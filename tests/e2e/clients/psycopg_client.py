"""Does with psycopg 3 what every client of the stage does, and prints what it saw."""

import threading

import psycopg


def show(step, *values):
    print(step, *values, sep=" | ")


def failure(step, connection, sql):
    try:
        connection.execute(sql)
        show(step, "no error")
    except psycopg.Error as error:
        show(step, error.sqlstate, error.diag.message_primary)


def pipeline(connection):
    with connection.pipeline():
        cursors = [connection.execute("select %s::int * 2", (n,)) for n in range(50)]
    show("pipelined", [cursor.fetchone()[0] for cursor in cursors])
    try:
        with connection.pipeline() as pipe:
            connection.execute("select 1")
            connection.execute("select 1 / %s::int", (0,))
            connection.execute("select 2")
            pipe.sync()
    except psycopg.Error as error:
        show("pipelined error", error.sqlstate)
    show("after it", connection.execute("select 'well'").fetchone())


def cancel(connection):
    timer = threading.Timer(0.5, connection.cancel)
    timer.start()
    failure("cancelled", connection, "select pg_sleep(60)")
    timer.join()
    show("after it", connection.execute("select 'well'").fetchone())


def notify(connection):
    connection.execute("listen stage")
    connection.execute("notify stage, 'hello'")
    for note in connection.notifies(timeout=10, stop_after=1):
        show("notified", note.channel, note.payload, note.pid == connection.info.backend_pid)


def transaction(connection):
    try:
        with connection.transaction():
            connection.execute("insert into scratch values (%s, %s)", (2, "two"))
            show("inside", connection.execute("select id, word from scratch").fetchall())
            raise psycopg.Rollback
    except psycopg.Error as error:
        show("transaction", error.sqlstate)
    show("outside", connection.execute("select count(*) from scratch").fetchone())


def main():
    with psycopg.connect(autocommit=True) as connection:
        show("connected", connection.info.parameter_status("server_encoding"), connection.info.server_version)
        show("protocol", connection.info.full_protocol_version)
        rows = connection.execute("select id, total, placed, paid, remark from orders where id <= 5 order by id")
        show("columns", [(c.name, c.type_code) for c in rows.description])
        for row in rows:
            show("row", *row)
        for n in range(1, 9):
            show("prepared", *connection.execute("select id, total from orders where id = %s", (n,), prepare=True))
        with connection.cursor(binary=True) as cursor:
            show("binary", cursor.execute("select total, placed, paid from orders where id = %s", (3,)).fetchone())
        failure("division", connection, "select 1 / 0")
        failure("conversion", connection, "select 'x'::int")
        transaction(connection)
        pipeline(connection)
        cancel(connection)
        big = connection.execute("select n, repeat('x', 100) from generate_series(1, 200000) n")
        show("big", sum(row[0] + len(row[1]) for row in big))
        with connection.transaction(), connection.cursor("walk") as cursor:
            cursor.itersize = 1000
            cursor.execute("select id from orders order by id")
            show("cursor", sum(row[0] for row in cursor))
        notify(connection)
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                for row in cursor.execute("select id, name, ssn from customers where id <= %s order by id", (3,)):
                    show("masked", *row)


main()
