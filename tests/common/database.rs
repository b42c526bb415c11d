//! PostgreSQL for whole programs.

use std::process::Command;

/// A database of the tests' server; it goes away with the test.
pub struct Database {
    name: String,
    server: String,
}

impl Database {
    /// Creates one; the name is only for who looks.
    pub fn create(name: &str) -> Self {
        let server = variable("TEST_POSTGRES_URL");
        let name = format!("outlay_{name}_{}", std::process::id());
        psql(&server, &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"));
        Self { name, server }
    }

    /// Its address without the password, and the password.
    pub fn address(&self) -> (String, String) {
        let url = self.server.strip_suffix("/postgres").expect("TEST_POSTGRES_URL names the database postgres");
        let (user, host) = url.rsplit_once('@').expect("TEST_POSTGRES_URL has a user");
        let (user, password) = user.rsplit_once(':').expect("TEST_POSTGRES_URL has a password");
        let password = password.replace("%2F", "/").replace("%40", "@").replace("%23", "#");
        (format!("{user}@{host}/{}", self.name), password)
    }

    /// Its address with the password.
    pub fn url(&self) -> String {
        let url = self.server.strip_suffix("/postgres").expect("TEST_POSTGRES_URL names the database postgres");
        format!("{url}/{}", self.name)
    }

    /// Nobody gets in, and who was in is thrown out: what an outage looks like from the other end.
    pub fn shut(&self) {
        psql(&self.server, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", self.name));
        self.throw_out();
    }

    /// Lets them in again.
    pub fn open(&self) {
        psql(&self.server, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.name));
    }

    /// Ends every connection.
    pub fn throw_out(&self) {
        let name = &self.name;
        let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        psql(&self.server, &sql);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        psql(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

#[expect(clippy::disallowed_methods, reason = "only whoever starts the tests knows where the server is")]
/// What tests/run exports.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run tests/run, or export what tests/needs/postgres.sh does, for a server of your own"
        )
    })
}

fn psql(server: &str, sql: &str) {
    let run = Command::new("psql").args([server, "--quiet", "--no-psqlrc", "--command", sql]).output();
    let run = run.expect("psql, from Debian's package postgresql");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
