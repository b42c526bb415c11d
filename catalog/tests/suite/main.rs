//! The catalog's promises, one story each, told to every database it can live in.
//!
//! A story is an `async fn(&Place)` and knows nothing of the database; `stories!` runs it against each, every time in a
//! fresh one. What is true of one database only stands in the file of its name.

mod bill;
mod commits;
mod events;
mod expenses;
mod jobs;
mod opening;
mod ownership;
mod place;
mod postgres;
mod rates;
mod records;
mod refiles;
mod reowns;
mod replicas;
mod restores;
mod series;
mod settling;
mod snapshots;
mod sources;
mod sqlite;
mod sweeps;
mod versions;
mod wire;
mod withdrawals;

/// Runs each story against each database.
macro_rules! stories {
    ($($story:ident),+ $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    super::$story(&crate::place::Site::sqlite().open().await).await;
                }
            )+
        }
        mod on_postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    super::$story(&crate::place::Site::postgres().await.open().await).await;
                }
            )+
        }
    };
}
use stories;
