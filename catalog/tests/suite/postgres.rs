//! What is true of PostgreSQL only: a server can be away, stop in the middle, or be somebody else's.

use std::error::Error as _;
use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::task::Poll;

use outlay_catalog::{Catalog, CatalogError, RunsQuery};
use sqlx::Executor as _;

use crate::bill::{Bill, at};
use crate::place::{Database, Site, variable};
use crate::wire::Wire;

/// Everything an error says, down to its first cause.
fn chain(error: &CatalogError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// A catalog behind a wire, which sees what is sent.
async fn behind_a_wire() -> (Catalog, Wire, Database) {
    let database = Database::create("").await;
    let url = database.url("?sslmode=disable");
    let port = port(&url);
    let wire = Wire::to(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    let url = url.replace(&format!(":{port}/"), &format!(":{}/", wire.address().port()));
    (Catalog::open(&url).await.expect("opens"), wire, database)
}

fn port(url: &str) -> u16 {
    let host = url.rsplit_once('@').map_or(url, |(_, host)| host);
    let port = host.split(['/', '?']).next().and_then(|host| host.rsplit_once(':'));
    port.and_then(|(_, port)| port.parse().ok()).expect("TEST_POSTGRES_URL has a port")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_were_ended_are_replaced() {
    let database = Database::create("").await;
    let catalog = Catalog::open(&database.url("")).await.expect("opens");
    let bill = Bill::new("p1");
    bill.bring(&catalog, 1).await.expect("commits");
    assert!(database.terminate().await > 0);
    assert_eq!(catalog.snapshot().await.expect("reads").parts.len(), 1);
    assert!(database.terminate().await > 0);
    assert_eq!(Bill::new("p2").replaces("p1").bring(&catalog, 2).await.expect("commits"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_ended_in_the_middle_is_absent_and_can_be_repeated() {
    let site = Site::postgres().await;
    let place = site.open().await;
    let Site { url, .. } = &place.site;
    let bill = Bill::new("p1");
    bill.intend(&place.catalog).await;
    // Whoever holds the head keeps the commit at its second statement.
    let mut other = place.site.connect().await;
    other.execute("BEGIN; UPDATE head SET generation = generation").await.expect("holds the head");
    let committing = tokio::spawn({
        let (catalog, commit) = (place.catalog.clone(), bill.commit(at(1)));
        async move { catalog.commit(commit).await }
    });
    let mut watcher = place.site.connect().await;
    let ended = "SELECT CASE WHEN pg_terminate_backend(pid) THEN 1 END FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while watcher.fetch_all(ended).await.expect("ends it").is_empty() {
        tokio::task::yield_now().await;
    }
    let error = committing.await.expect("no panic").expect_err("was ended");
    assert!(error.is_retryable(), "{}", chain(&error));
    other.execute("ROLLBACK").await.expect("lets go");
    let observer = Catalog::open(url).await.expect("opens");
    assert_eq!(observer.snapshot().await.expect("reads").parts, []);
    assert_eq!(place.catalog.commit(bill.commit(at(1))).await.expect("commits"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_gives_up_waiting_leaves_no_transaction_open() {
    let database = Database::create("").await;
    let catalog = Catalog::open(&database.url("")).await.expect("opens");
    for polls in 0..40 {
        let bill = Bill::new(&format!("p{polls}"));
        let run = bill.started(at(0));
        {
            let mut starting = pin!(catalog.start_run(&run));
            let mut left = polls;
            poll_fn(|cx| {
                left -= 1;
                if left < 0 || starting.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        catalog.start_run(&bill.started(at(1))).await.expect("starts");
    }
    // The last one may still be rolling back. One that was forgotten would stay for a minute.
    let open = "SELECT COUNT(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    let mut watcher = database.connect().await;
    let mut left = i64::MAX;
    for _ in 0..1000 {
        left = sqlx::query_scalar(open).fetch_one(&mut watcher).await.expect("counts");
        if left == 0 {
            break;
        }
    }
    assert_eq!(left, 0);
    assert_eq!(catalog.runs(&RunsQuery::default(), 100).await.expect("reads").len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_got_lost_has_happened_and_can_be_repeated() {
    let (catalog, wire, _database) = behind_a_wire().await;
    for round in 0..5 {
        let bill = Bill::new(&format!("p{round}")).of("aws", &format!("{round}"));
        bill.intend(&catalog).await;
        wire.lose_the_next_answer();
        let error = catalog.commit(bill.commit(at(1))).await.expect_err("nobody knows");
        assert!(error.is_retryable(), "{}", chain(&error));
        assert_eq!(catalog.generation().await.expect("reads"), round + 1, "it has happened");
        assert_eq!(catalog.commit(bill.commit(at(2))).await.expect("says when"), round + 1);
        assert_eq!(catalog.generation().await.expect("reads"), round + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_unavailable_until_it_is_back() {
    let (catalog, wire, database) = behind_a_wire().await;
    let bill = Bill::new("p1");
    bill.intend(&catalog).await;
    wire.cut().await;
    let (read, written) = tokio::join!(catalog.snapshot(), catalog.commit(bill.commit(at(1))));
    for error in [read.expect_err("is away"), written.expect_err("is away")] {
        assert!(matches!(error, CatalogError::Unavailable { .. }), "{error:?}");
    }
    // Nor does one open that is not there.
    let url = database.url("?sslmode=disable");
    let url = url.replace(&format!(":{}/", port(&url)), &format!(":{}/", wire.address().port()));
    let error = Catalog::open(&url).await.expect_err("is away");
    let shown = chain(&error);
    assert!(error.is_retryable() && shown.contains("efused") && !shown.contains("s3cret"), "{shown}");
    wire.mend().await;
    assert_eq!(catalog.snapshot().await.expect("is back").generation, 0);
    assert_eq!(catalog.commit(bill.commit(at(1))).await.expect("is back"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_held_for_too_long_is_not_waited_for() {
    let database = Database::create("").await;
    // As the address of a catalog may say; by default it is half a minute.
    let catalog = Catalog::open(&database.url("?options[lock_timeout]=200")).await.expect("opens");
    let patient = Catalog::open(&database.url("")).await.expect("opens");
    let (bill, next) = (Bill::new("p1"), Bill::new("p2").of("aws", "2026-09"));
    bill.intend(&catalog).await;
    next.intend(&catalog).await;
    let mut other = database.connect().await;
    other.execute("BEGIN; UPDATE head SET generation = generation").await.expect("holds the head");
    let waiting = tokio::spawn(async move { patient.commit(next.commit(at(1))).await });
    // It holds the lock of all who write, and waits for the head.
    while database.waiting().await == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        let error = catalog.commit(bill.commit(at(1))).await.expect_err("is locked");
        assert!(error.is_retryable(), "{}", chain(&error));
        assert!(chain(&error).contains("could not take the write lock") && chain(&error).contains("lock timeout"));
    }
    // No connection was left in a failed transaction, and readers have not waited.
    assert_eq!(catalog.snapshot().await.expect("reads").generation, 0);
    other.execute("ROLLBACK").await.expect("lets go");
    assert_eq!(waiting.await.expect("no panic").expect("commits"), 1);
    assert_eq!(catalog.commit(bill.commit(at(1))).await.expect("commits"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_proves_who_it_is() {
    let database = Database::create("").await;
    let authority = variable("TEST_POSTGRES_CA");
    let url = database.url(&format!("?sslmode=verify-full&sslrootcert={authority}"));
    let catalog = Catalog::open(&url).await.expect("its certificate is good");
    assert_eq!(catalog.generation().await.expect("reads"), 0);
    let error = Catalog::open(&database.url("?sslmode=verify-full")).await.expect_err("nobody known vouches for it");
    assert!(chain(&error).contains("certificate"), "{}", chain(&error));
    let error = Catalog::open(&database.url("?sslmode=verify-full&sslrootcert=/nowhere.pem")).await;
    assert!(error.is_err(), "there is no such authority");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_let_in_is_told_why_and_nothing_else() {
    let database = Database::create("").await;
    let url = database.url("");
    let check = async |url: &str, says: &str| {
        let error = Catalog::open(url).await.expect_err(says);
        let shown = format!("{} {error:?}", chain(&error));
        assert!(shown.contains(says), "{shown} does not say {says}");
        assert!(!shown.contains("s3cret") && !shown.contains("wrong"), "{shown}");
    };
    check(&url.replace("s3cret", "wrong"), "password authentication failed").await;
    check(&format!("{url}_missing"), "does not exist").await;
    check("postgres://me:s3cret@db", "names no database").await;
    check("postgres://me:s3cret@db/outlay?password=wrong", "gives the password as a parameter").await;
    let latin = Database::create("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc").await;
    check(&latin.url(""), "is a database in LATIN1").await;
    let catalog = Catalog::open(&url).await.expect("opens");
    assert!(!format!("{catalog:?}").contains("s3cret"), "{catalog:?}");
}

/// Rights that are lacking do not come by trying again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_refuses_is_not_tried_again() {
    let place = Site::postgres().await.open().await;
    let bill = Bill::new("p1").account(Some("AWS"), Some(&account_beyond_any_index()));
    let error = bill.bring(&place.catalog, 1).await.expect_err("no index takes it");
    assert!(matches!(error, CatalogError::Refused { .. }) && !error.is_retryable(), "{error:?}");
    assert!(chain(&error).starts_with("the database refused to write part_days"), "{}", chain(&error));
    assert_eq!(Bill::new("p2").bring(&place.catalog, 2).await.expect("commits"), 1);
}

/// An index entry is compressed first, so this must not be.
fn account_beyond_any_index() -> String {
    let mut state = 1_u32;
    let letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + u8::try_from((state >> 16) % 90).expect("is small"))
    };
    std::iter::repeat_with(letter).take(9000).collect()
}

/// Text is compared byte by byte, as in SQLite, or two columns that meet in a comparison may not even be comparable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_text_is_compared_byte_by_byte() {
    let place = Site::postgres().await.open().await;
    let sql = "SELECT table_name || '.' || column_name FROM information_schema.columns \
               WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations' \
               AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'";
    let others: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut place.site.connect().await).await.expect("reads");
    assert_eq!(others, [] as [&str; 0], "write TEXT COLLATE \"C\" in migrations/postgres");
}
