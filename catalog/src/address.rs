//! Addresses of catalogs: what they may say, and what of them may be shown.
//!
//! - `sqlite://path/catalog.db`: a file, relative to the working folder unless it begins with a slash.
//! - `postgres://user@host:port/database?sslmode=verify-full&sslrootcert=/etc/outlay/ca.pem` (or `postgresql://`): as
//!   psql and every other client of PostgreSQL takes it. What it leaves out comes from where they take it: `PGHOST`,
//!   `PGUSER`, `PGPASSWORD`, `PGSSLMODE`, …, and the password also from `~/.pgpass` or the file in `PGPASSFILE`.
//!
//! An address may hold a password, so nothing prints one but [`Address::without_password`], which has none any more.

use std::fmt;
use std::path::PathBuf;

/// Parameters of a PostgreSQL address that have a meaning here. Others would be passed over in silence.
const PARAMETERS: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "options",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// How the server must prove who it is.
const SSL_MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Where a catalog is.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    database: Database,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// The file.
    Sqlite(PathBuf),
    /// The address as it was given.
    Postgres(String),
}

impl Address {
    /// What addresses look like, for messages.
    pub const EXAMPLES: &str = "\"sqlite://./outlay-data/catalog.db\" or \"postgres://outlay@db.example.com/outlay\"";

    /// Understands an address.
    ///
    /// # Errors
    /// What is wrong with it, as what follows upon its name in a sentence. No part of the address is in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let database = match text.split_once(':') {
            Some(("sqlite", rest)) => Database::Sqlite(sqlite_path(rest)?),
            Some(("postgres" | "postgresql", rest)) => {
                check_postgres(rest)?;
                Database::Postgres(text.to_owned())
            }
            _ => return Err("is not the address of a database".to_owned()),
        };
        Ok(Self { text: text.to_owned(), database })
    }

    /// Whether it holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.without_password() != self.text
    }

    /// The address with its password left out: what may be printed, and can be opened where the password is known.
    #[must_use]
    pub fn without_password(&self) -> String {
        let Database::Postgres(text) = &self.database else { return self.text.clone() };
        let Some((scheme, user, rest)) = split(text) else { return text.clone() };
        match user.and_then(|user| user.split_once(':')) {
            Some((user, _)) => format!("{scheme}://{user}@{rest}"),
            None => text.clone(),
        }
    }

    /// An address, good or not, without user, password and parameters.
    pub(crate) fn redact(text: &str) -> String {
        let text = text.split(['?', '#']).next().unwrap_or_default();
        match text.split_once("://") {
            Some((scheme, rest)) if scheme != "sqlite" => {
                // A password may hold an unescaped '@' or '/': nothing before the last '@' is shown.
                let shown = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                format!("{scheme}://{shown}")
            }
            _ => text.to_owned(),
        }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }
}

/// Redacted: without user, password and parameters.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::redact(&self.text))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Self::redact(&self.text), f)
    }
}

/// Scheme, user and password, and everything from the host on.
fn split(url: &str) -> Option<(&str, Option<&str>, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => Some((scheme, Some(&rest[..at]), &rest[at + 1..])),
        None => Some((scheme, None, rest)),
    }
}

/// The file that a SQLite address names after its scheme. Percent escapes mean what they mean in any address.
fn sqlite_path(rest: &str) -> Result<PathBuf, String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.contains('?') {
        return Err("takes no parameters".to_owned());
    }
    if path == ":memory:" {
        return Err("is in memory, and would be lost with the process".to_owned());
    }
    let path = PathBuf::from(percent_decode(path).ok_or("has percent escapes that are not UTF-8")?);
    if path.file_name().is_none() { Err("names no file".to_owned()) } else { Ok(path) }
}

/// Whether a PostgreSQL address is one that means the same to us as to whoever wrote it.
fn check_postgres(rest: &str) -> Result<(), String> {
    let Some(rest) = rest.strip_prefix("//") else { return Err("lacks the // after its scheme".to_owned()) };
    if rest.contains('#') {
        return Err("holds a #; write %23 where it belongs to a name or password".to_owned());
    }
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let path = place.split_once('/').map_or("", |(_, path)| path);
    if path.contains(['/', '@']) {
        return Err("has a / or @ too many; write %2F or %40 where it belongs to a name or password".to_owned());
    }
    let mut database = !path.is_empty();
    for pair in parameters.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "password" => {
                return Err("gives the password as a parameter; write it before the host, or set PGPASSWORD".to_owned());
            }
            "dbname" => database |= !value.is_empty(),
            "sslmode" if !SSL_MODES.contains(&value) => {
                return Err(format!("has an unknown sslmode; those known are {}", SSL_MODES.join(", ")));
            }
            key if PARAMETERS.contains(&key) || (key.starts_with("options[") && key.ends_with(']')) => {}
            _ => return Err(format!("has an unknown parameter; those known are {}", PARAMETERS.join(", "))),
        }
    }
    if database { Ok(()) } else { Err("names no database".to_owned()) }
}

/// Escapes what means something in an address.
pub(crate) fn percent_encode(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// `None` when the result is not UTF-8. A `%` that starts no escape stands for itself.
fn percent_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let escape = if byte == b'%' { text.get(at + 1..at + 3) } else { None };
        let code = escape.filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                decoded.push(code);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_of_files() {
        let check = |url: &str, path: Result<&str, &str>| {
            let found = Address::parse(url).map(|address| address.database);
            let wanted = path.map(|path| Database::Sqlite(path.into())).map_err(str::to_owned);
            assert!(found == wanted, "{url}: {:?}", found.err());
        };
        check("sqlite://./outlay-data/catalog.db", Ok("./outlay-data/catalog.db"));
        check("sqlite:///var/lib/outlay/catalog.db", Ok("/var/lib/outlay/catalog.db"));
        check("sqlite:catalog.db", Ok("catalog.db"));
        check("sqlite://a%20b/100%.db", Ok("a b/100%.db"));
        check("sqlite://:memory:", Err("is in memory, and would be lost with the process"));
        check("sqlite://a.db?mode=memory", Err("takes no parameters"));
        check("sqlite://", Err("names no file"));
        check("sqlite://%ff", Err("has percent escapes that are not UTF-8"));
        check("mysql://host/db", Err("is not the address of a database"));
        check("/tmp/catalog.db", Err("is not the address of a database"));
    }

    #[test]
    fn addresses_of_servers() {
        let check = |url: &str, wrong: Option<&str>| {
            assert_eq!(Address::parse(url).err().as_deref(), wrong, "{url}");
        };
        check("postgres://db/outlay", None);
        check("postgresql://me:s%2Fe%40c@db.local:5433/outlay?sslmode=verify-full&sslrootcert=/ca.pem", None);
        check("postgres:///outlay?host=/var/run/postgresql&user=me", None);
        check("postgres://%2Fvar%2Frun%2Fpostgresql/outlay", None);
        check("postgres://db?dbname=outlay&options[search_path]=costs", None);
        check("postgres://db", Some("names no database"));
        check("postgres://db/?dbname=", Some("names no database"));
        check("postgres:outlay", Some("lacks the // after its scheme"));
        check(
            "postgres://me:a/b@db/outlay",
            Some("has a / or @ too many; write %2F or %40 where it belongs to a name or password"),
        );
        check("postgres://me:a#b@db/outlay", Some("holds a #; write %23 where it belongs to a name or password"));
        check(
            "postgres://db/outlay?password=x",
            Some("gives the password as a parameter; write it before the host, or set PGPASSWORD"),
        );
        check(
            "postgres://db/outlay?sslmode=full",
            Some("has an unknown sslmode; those known are disable, allow, prefer, require, verify-ca, verify-full"),
        );
        check(
            "postgres://db/outlay?connect_timeout=3",
            Some(
                "has an unknown parameter; those known are application_name, dbname, host, options, port, sslcert, sslkey, \
             sslmode, sslrootcert, statement-cache-capacity, user",
            ),
        );
    }

    #[test]
    fn nothing_secret_is_shown() {
        let check = |url: &str, shown: &str| assert_eq!(Address::redact(url), shown);
        check("sqlite:///tmp/catalog.db?mode=rwc", "sqlite:///tmp/catalog.db");
        check("postgres://me:secret@db.local:5432/outlay?password=x", "postgres://db.local:5432/outlay");
        check("postgres://me:s/e@c@db.local/outlay", "postgres://db.local/outlay");
        check("postgres://db.local/outlay", "postgres://db.local/outlay");

        let check = |url: &str, shown: &str| {
            let address = Address::parse(url).expect("an address");
            assert_eq!((address.without_password().as_str(), address.has_password()), (shown, shown != url));
            assert!(!format!("{address:?} {address} {}", address.without_password()).contains("secret"));
        };
        check("postgres://me:secret@db:5432/outlay?sslmode=require", "postgres://me@db:5432/outlay?sslmode=require");
        check("postgres://:secret@db/outlay", "postgres://@db/outlay");
        check("postgres://me:@secret@db/outlay", "postgres://me@db/outlay");
        check("postgres://me@db/outlay", "postgres://me@db/outlay");
        check("postgresql:///outlay?host=/run", "postgresql:///outlay?host=/run");
        check("sqlite://a:b@c.db", "sqlite://a:b@c.db");
    }

    proptest! {
        #[test]
        fn escapes_are_undone(path in "\\PC{0,40}") {
            prop_assert_eq!(percent_decode(&percent_encode(&path)), Some(path));
        }
    }
}
