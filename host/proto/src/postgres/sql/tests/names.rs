//! What a name means: where the server could take it for a masked column, so does the gateway.

use model::Rule;

use super::with_tags;

fn refused(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (sql, reason) in cases {
        let refusal = with_tags(sql).refusal;
        let said = refusal.as_ref().map_or("it passes", |refusal| &refusal.message);
        let ruled = refusal.as_ref().is_some_and(|r| r.rule == Rule::TaggedUse);
        if !ruled || !said.contains(reason) {
            wrong.push(format!("{sql}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn passes(cases: &[(&str, &[&str])]) {
    for (sql, outputs) in cases {
        let analysis = with_tags(sql);
        assert_eq!(analysis.refusal, None, "{sql}");
        assert_eq!(&analysis.tagged_outputs, outputs, "{sql}");
    }
}

#[test]
fn a_name_with_a_schema_looks_past_aliases() {
    refused(&[
        (
            "select (select row(public.customers.*)::text from (select 1 as a) as customers) from public.customers",
            "whole row",
        ),
        (
            "select (select public.customers.ssn || '' from (select 'a'::text as ssn) as customers) \
             from public.customers",
            "expression",
        ),
        (
            "select id from public.customers where exists \
             (select 1 from (select ''::text as ssn) as customers where public.customers.ssn like '103%')",
            "WHERE",
        ),
        (
            "select (select public.customers.ssn || '' from orders as customers) from customers",
            "expression",
        ),
        (
            "select (select public.customers.* from orders as customers) from customers",
            "subquery",
        ),
        (
            "with customers as (select 'a' as ssn) select (select public.customers.ssn || '' from customers) \
             from public.customers",
            "expression",
        ),
        (
            "select (select atk.public.customers.ssn || '' from orders as customers) from customers",
            "expression",
        ),
        (
            "select (select row(public.customers.*)::text from other.customers) from public.customers",
            "whole row",
        ),
        (
            "select (select public.customers.ssn || '' from generate_series(1,1) as customers) from public.customers",
            "expression",
        ),
        (
            "select (select public.customers.ssn || '' from orders a join orders b using (id) as customers) \
             from public.customers",
            "expression",
        ),
        (
            "update public.customers set name = (select public.customers.ssn from (select 1 as a) as customers)",
            "subquery",
        ),
        (
            "select (select row(public.dec.*)::text from s1.dec), public.customers.row_to_json from customers",
            "whole row",
        ),
    ]);
}

#[test]
fn a_name_with_a_schema_still_means_its_relation() {
    passes(&[
        (
            "SELECT public.customers.*, public.orders.id FROM public.customers, public.orders \
             WHERE public.orders.customer_id = public.customers.id",
            &["public.customers.ssn", "public.customers.ssn_length"],
        ),
        (
            "SELECT public.customers.id, (SELECT count(*) FROM public.orders \
             WHERE public.orders.customer_id = public.customers.id) FROM customers",
            &[],
        ),
        (
            "SELECT (SELECT public.customers.name FROM orders AS customers) FROM customers",
            &[],
        ),
        ("UPDATE customers SET name = upper(public.customers.name)", &[]),
    ]);
}

#[test]
fn a_stored_column_hides_no_masked_one() {
    refused(&[
        (
            "select (select ssn || '' from dec limit 1) from customers",
            "expression",
        ),
        (
            "select (select ssn || '' from dec2 limit 1) from customers",
            "expression",
        ),
        (
            "select (select ssn || '' from dec3 limit 1) from customers",
            "expression",
        ),
        (
            "select (select ssn || '' from (select * from dec) k) from customers",
            "expression",
        ),
        (
            "with k as (table dec) select (select ssn || '' from k) from customers",
            "expression",
        ),
        (
            "select (select ssn || '' from dec natural join dec2) from customers",
            "expression",
        ),
        (
            "select (select ssn from archive limit 1) from customers",
            "subquery",
        ),
        (
            "select id from customers where exists (select 1 from archive where ssn like '1%')",
            "WHERE",
        ),
    ]);
}

#[test]
fn a_stored_column_hides_no_masked_row() {
    refused(&[
        ("select a::text from dec, customers a", "whole row"),
        (
            "select (select a::text from dec limit 1) from customers a",
            "whole row",
        ),
        (
            "select ctid::text from (select * from customers) ctid",
            "whole row",
        ),
        ("select staff.count from staff", "whole row"),
    ]);
}

#[test]
fn a_column_that_the_statement_names_hides_those_around_it() {
    passes(&[
        (
            "SELECT (SELECT ssn || '' FROM (SELECT a AS ssn FROM dec) k) FROM customers",
            &[],
        ),
        (
            "SELECT (SELECT ssn || '' FROM (VALUES ('a')) k(ssn)) FROM customers",
            &[],
        ),
        (
            "WITH k(ssn) AS (SELECT a FROM dec) SELECT (SELECT ssn || '' FROM k) FROM customers",
            &[],
        ),
        (
            "SELECT (SELECT a.ssn || '' FROM archive a WHERE a.id = customers.id) FROM customers",
            &[],
        ),
        (
            "SELECT id FROM customers WHERE EXISTS (SELECT 1 FROM orders WHERE customer_id = customers.id AND note = 'x')",
            &[],
        ),
    ]);
}

#[test]
fn what_a_transaction_may_have_added_moves_no_masked_column() {
    refused(&[
        ("SELECT id FROM customers NATURAL JOIN dec", "NATURAL"),
        ("SELECT dec.*, c.ssn FROM dec, customers c ORDER BY 3", "ordinal"),
        ("SELECT dec.*, c.ssn FROM dec, customers c ORDER BY 1", "ordinal"),
        ("SELECT dec.*, c.ssn FROM dec, customers c GROUP BY 3", "ordinal"),
        (
            "SELECT ssn || '' FROM (SELECT dec3.*, c.ssn FROM dec3, customers c) k(a, b, d)",
            "list of column names",
        ),
        (
            "SELECT c.id, dec.*, c.ssn FROM dec, customers c ORDER BY 2",
            "ordinal",
        ),
    ]);
    passes(&[
        (
            "SELECT * FROM customers ORDER BY 1",
            &["public.customers.ssn", "public.customers.ssn_length"],
        ),
        (
            "SELECT c.ssn, c.id, o.* FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY 2",
            &["public.customers.ssn"],
        ),
        (
            "SELECT * FROM customers JOIN orders USING (id) ORDER BY 1",
            &["public.customers.ssn", "public.customers.ssn_length"],
        ),
        ("SELECT * FROM orders NATURAL JOIN dec ORDER BY 3", &[]),
    ]);
}
