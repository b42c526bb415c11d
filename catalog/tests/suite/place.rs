//! Where a story happens: a fresh catalog of some database.

use std::sync::atomic::{AtomicU32, Ordering};
use std::{process, thread};

use outlay_catalog::Catalog;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use tempfile::TempDir;

/// A fresh catalog, and where it is.
pub struct Place {
    pub catalog: Catalog,
    pub site: Site,
}

impl Place {
    /// A fresh catalog in the same kind of database.
    pub async fn another(&self) -> Self {
        self.site.another().await.open().await
    }

    /// Another handle that shares nothing with the first but the database, as another replica would have.
    pub async fn replica(&self) -> Catalog {
        Catalog::open(&self.site.url).await.expect("opens again")
    }
}

/// A database nobody has opened yet. It goes away with the site.
pub struct Site {
    pub url: String,
    home: Home,
}

enum Home {
    File(TempDir),
    Server { _database: Database },
}

impl Site {
    pub fn sqlite() -> Self {
        let mut folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}/data/catalog.db", folder.path().display());
        if is_kept(&url) {
            folder.disable_cleanup(true);
        }
        Self { url, home: Home::File(folder) }
    }

    pub async fn postgres() -> Self {
        let database = Database::create("ENCODING 'UTF8'").await;
        Self { url: database.url(""), home: Home::Server { _database: database } }
    }

    /// Another of the same kind.
    pub async fn another(&self) -> Self {
        match self.home {
            Home::File(_) => Self::sqlite(),
            Home::Server { .. } => Self::postgres().await,
        }
    }

    /// What files of this kind of database are called by.
    pub fn kind(&self) -> &'static str {
        match self.home {
            Home::File(_) => "sqlite",
            Home::Server { .. } => "postgres",
        }
    }

    pub async fn open(self) -> Place {
        Place { catalog: Catalog::open(&self.url).await.expect("opens"), site: self }
    }

    /// A connection to the database as it is, behind the catalog's back.
    pub async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let mut url = self.url.clone();
        if let Home::File(folder) = &self.home {
            std::fs::create_dir_all(folder.path().join("data")).expect("a folder");
            url.push_str("?mode=rwc");
        }
        AnyConnection::connect(&url).await.expect("connects")
    }
}

/// A database of the tests' PostgreSQL server.
pub struct Database {
    name: String,
}

impl Database {
    /// Creates one, with whatever else is to be said about it.
    pub async fn create(with: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("outlay_{}_{}", process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut conn = server().await;
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0 {with}");
        conn.execute(AssertSqlSafe(sql)).await.expect("creates a database");
        Self { name }
    }

    /// Its address with some parameters, such as `?sslmode=disable`.
    pub fn url(&self, parameters: &str) -> String {
        let url = server_url();
        let server = url.strip_suffix("/postgres").expect("TEST_POSTGRES_URL names the database postgres");
        format!("{server}/{}{parameters}", self.name)
    }

    /// A connection behind the catalog's back.
    pub async fn connect(&self) -> AnyConnection {
        AnyConnection::connect(&self.url("")).await.expect("connects")
    }

    /// Ends every connection to it, as an administrator may do. Gives how many there were.
    pub async fn terminate(&self) -> usize {
        let sql = "SELECT CASE WHEN pg_terminate_backend(pid) THEN 1 END FROM pg_stat_activity WHERE datname = $1";
        let rows = sqlx::query(sql).bind(self.name.as_str()).fetch_all(&mut server().await).await;
        rows.expect("terminates").len()
    }

    /// How many connections to it wait for a lock.
    pub async fn waiting(&self) -> i64 {
        let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'";
        let query = sqlx::query_scalar(sql).bind(self.name.as_str());
        query.fetch_one(&mut server().await).await.expect("counts")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if is_kept(&self.url("")) {
            return;
        }
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let drop = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { server().await.execute(AssertSqlSafe(sql)).await.map_err(std::io::Error::other) })
        };
        let dropped = thread::spawn(drop).join().expect("does not panic");
        assert!(dropped.is_ok() || thread::panicking(), "{dropped:?}");
    }
}

async fn server() -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(&server_url()).await.expect("the server in TEST_POSTGRES_URL")
}

fn server_url() -> String {
    variable("TEST_POSTGRES_URL")
}

/// With KEEP_TEST_CATALOGS databases stay, to be looked at; where they are is said.
#[expect(clippy::disallowed_methods, reason = "only whoever starts the tests knows that he will look")]
#[expect(clippy::print_stdout, reason = "and he looks at what the tests say")]
fn is_kept(url: &str) -> bool {
    let kept = std::env::var_os("KEEP_TEST_CATALOGS").is_some();
    if kept {
        println!("kept: {url}");
    }
    kept
}

/// What tests/needs/postgres.sh exports.
#[expect(clippy::disallowed_methods, reason = "only whoever starts the tests knows where the server is")]
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run tests/run, or export what tests/needs/postgres.sh does, for a server of your own"
        )
    })
}
