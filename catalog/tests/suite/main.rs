//! The catalog's promises, one story each, told to every database it can live in.
//!
//! A story is an `async fn(&Place)` and knows nothing of the database; `stories!` runs it against each. PostgreSQL joins
//! with one more constructor in `place.rs` and one more line there.

mod bill;
mod commits;
mod place;
mod records;
mod refiles;
mod restores;
mod snapshots;
mod sqlite;
mod sweeps;

/// Runs each story against each database.
macro_rules! stories {
    ($($story:ident),+ $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    super::$story(&crate::place::Place::sqlite().await).await;
                }
            )+
        }
    };
}
use stories;
