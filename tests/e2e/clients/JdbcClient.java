import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

/** Does with the JDBC driver what every client of the stage does, and prints what it saw. */
public final class JdbcClient {
    private interface Step {
        void run() throws SQLException;
    }

    private static void show(String step, Object... values) {
        System.out.println(step + " | " + Arrays.deepToString(values));
    }

    private static void failure(String step, Step body) {
        try {
            body.run();
            show(step, "no error");
        } catch (SQLException error) {
            show(step, error.getSQLState(), error.getMessage().lines().findFirst().orElse(""));
        }
    }

    private static Connection connect() throws SQLException {
        var environment = System.getenv();
        var properties = new Properties();
        properties.setProperty("user", environment.get("PGUSER"));
        properties.setProperty("password", environment.get("PGPASSWORD"));
        properties.setProperty("sslmode", environment.get("PGSSLMODE"));
        properties.setProperty("gssEncMode", "disable");
        if (environment.containsKey("PGSSLROOTCERT")) {
            properties.setProperty("sslrootcert", environment.get("PGSSLROOTCERT"));
        }
        var place = environment.get("PGHOST") + ":" + environment.get("PGPORT");
        return DriverManager.getConnection("jdbc:postgresql://" + place + "/" + environment.get("PGDATABASE"), properties);
    }

    private static void rows(String step, ResultSet rows) throws SQLException {
        int columns = rows.getMetaData().getColumnCount();
        while (rows.next()) {
            var row = new Object[columns];
            for (int i = 0; i < columns; i++) {
                row[i] = rows.getString(i + 1);
            }
            show(step, row);
        }
    }

    private static void query(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            var query = "select id, total, placed at time zone 'UTC', paid, remark from orders where id <= 5 order by id";
            rows("row", statement.executeQuery(query));
            statement.execute("select 1; select 2");
            show("two in one", statement.getMoreResults());
            failure("division", () -> statement.executeQuery("select 1 / 0"));
            failure("conversion", () -> statement.executeQuery("select 'x'::int"));
        }
    }

    /** The driver turns to a named, binary statement after five executions. */
    private static void prepared(Connection connection) throws SQLException {
        try (PreparedStatement one = connection.prepareStatement("select id, total from orders where id = ?")) {
            for (int n = 1; n <= 12; n++) {
                one.setInt(1, n);
                rows("prepared", one.executeQuery());
            }
        }
        try (PreparedStatement many = connection.prepareStatement("update scratch set word = ? where id = ?")) {
            for (int n = 0; n < 100; n++) {
                many.setString(1, "x");
                many.setInt(2, n);
                many.addBatch();
            }
            show("batch", Arrays.stream(many.executeBatch()).sum());
        }
    }

    private static void transaction(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.executeUpdate("insert into scratch values (5, 'five')");
            rows("inside", statement.executeQuery("select id, word from scratch"));
            connection.rollback();
            rows("outside", statement.executeQuery("select count(*) from scratch"));
            statement.setFetchSize(1000);
            long sum = 0;
            try (ResultSet walk = statement.executeQuery("select id from orders order by id")) {
                while (walk.next()) {
                    sum += walk.getInt(1);
                }
            }
            show("cursor", sum);
            connection.commit();
        }
        connection.setAutoCommit(true);
    }

    private static void cancel(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            failure("cancelled", () -> statement.executeQuery("select pg_sleep(60)"));
            statement.setQueryTimeout(0);
            rows("after it", statement.executeQuery("select 'well'"));
        }
    }

    private static void big(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(
                        "select n, repeat('x', 100) from generate_series(1, 200000) n")) {
            long sum = 0;
            while (rows.next()) {
                sum += rows.getInt(1) + rows.getString(2).length();
            }
            show("big", sum);
        }
    }

    private static void catalog(Connection connection) throws SQLException {
        var catalog = connection.getMetaData();
        try (ResultSet tables = catalog.getTables(null, "public", "%", new String[] {"TABLE"})) {
            while (tables.next()) {
                show("table", tables.getString("TABLE_NAME"));
            }
        }
        try (ResultSet columns = catalog.getColumns(null, "public", "customers", "%")) {
            while (columns.next()) {
                show("column", columns.getString("COLUMN_NAME"), columns.getString("TYPE_NAME"));
            }
        }
        rows("key", catalog.getPrimaryKeys(null, "public", "orders"));
        rows("reference", catalog.getImportedKeys(null, "public", "orders"));
        rows("index", catalog.getIndexInfo(null, "public", "orders", false, true));
    }

    private static void notified(Connection connection) throws SQLException {
        var driver = connection.unwrap(PGConnection.class);
        try (Statement statement = connection.createStatement()) {
            statement.execute("listen stage");
            statement.execute("notify stage, 'hello'");
        }
        for (PGNotification note : driver.getNotifications(10_000)) {
            show("notified", note.getName(), note.getParameter(), note.getPID() == driver.getBackendPID());
        }
    }

    public static void main(String[] arguments) throws SQLException {
        try (Connection connection = connect()) {
            show("connected", connection.getMetaData().getDatabaseProductVersion());
            query(connection);
            prepared(connection);
            transaction(connection);
            cancel(connection);
            big(connection);
            notified(connection);
            catalog(connection);
            try (PreparedStatement masked =
                    connection.prepareStatement("select id, name, ssn from customers where id <= ? order by id")) {
                for (int n = 0; n < 6; n++) {
                    masked.setInt(1, 3);
                    rows("masked", masked.executeQuery());
                }
            }
        }
    }
}
