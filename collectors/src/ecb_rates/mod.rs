//! Euro reference rates, as the European Central Bank publishes them: once each working day, about 16:00 in Frankfurt.
//!
//! There are two files of one shape: `eurofxref-hist-90d.xml` has the last ninety days, and `eurofxref-hist.xml` all days since
//! 1999. The smaller one is read as long as nothing older is wanted. Weekends and holidays are not in it; whoever converts
//! carries rates over them.

mod sheet;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{Days, NaiveDate};
use outlay_model::rates::Fixing;
use outlay_model::{DateRange, SourceName};
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::CollectError;
use crate::collector::{Checked, Context};
use crate::http::{Answer, Ask, FetchError, Http, Vendor};
use crate::rates::{RateCollector, RateSettings};

/// The last ninety days.
const RECENT: &str = "eurofxref-hist-90d.xml";
/// All days.
const ALL: &str = "eurofxref-hist.xml";
/// How many days back the recent file is good for: it is never shorter than that.
const RECENT_DAYS: u64 = 85;
/// The most a file may hold. That of all days is about 8 MB.
const MOST: usize = 64 << 20;

/// The euro foreign exchange reference rates of the European Central Bank.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EcbSettings {
    /// The folder that has `eurofxref-hist-90d.xml` and `eurofxref-hist.xml`: the bank's, or a mirror, `https://…/` or
    /// `file:///…/`. Or a single file of that form, `….xml`.
    #[serde(default = "home")]
    url: String,
}

fn home() -> String {
    "https://www.ecb.europa.eu/stats/eurofxref/".to_owned()
}

impl RateSettings for EcbSettings {
    const KIND: &'static str = "ecb_rates";
    const TITLE: &'static str = "Euro reference rates of the European Central Bank";
    // About 16:00 in Frankfurt is 15:00 UTC in winter and 14:00 in summer. Half an hour of slack, and once more for a late day.
    const SCHEDULE: &'static str = "0 30 15,18 * * Mon-Fri";
    // Within what the recent file has.
    const RESTATES_MONTHS: u32 = 1;
    const REACH_MONTHS: u32 = 60;

    fn problems(&self) -> Vec<(&'static str, String)> {
        Address::parse(&self.url).err().map(|text| ("url", text)).into_iter().collect()
    }

    fn place(&self) -> String {
        self.url.clone()
    }

    fn connect(self, context: Context) -> Result<Arc<dyn RateCollector>, CollectError> {
        let address = Address::parse(&self.url).map_err(|what| FetchError::NotUnderstood {
            place: self.url.clone(),
            what,
            advice: "correct url".to_owned(),
        })?;
        let Context { source, http, today, .. } = context;
        Ok(Arc::new(Ecb { source, http, today, address }))
    }
}

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    url: Url,
    /// Whether it is one file and not a folder.
    single: bool,
}

impl Address {
    fn parse(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str = "write one such as \"https://mirror.example/eurofxref/\" or \"file:///srv/eurofxref/\"";
        let url: Url = text.parse().map_err(|_| format!("is not an address; {EXAMPLE}"))?;
        if !matches!(url.scheme(), "https" | "http" | "file") {
            return Err(format!("{}:// is not where rates are; {EXAMPLE}", url.scheme()));
        }
        // The address is shown to people, in answers too.
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(format!("holds more than a place; {EXAMPLE}"));
        }
        let single = url.path().ends_with(".xml");
        if !single && !url.path().ends_with('/') {
            return Err(format!("is neither a folder, which ends in a slash, nor an .xml file; {EXAMPLE}"));
        }
        if url.scheme() == "file" && url.to_file_path().is_err() {
            return Err(format!("names no folder of this machine; {EXAMPLE}"));
        }
        Ok(Self { url, single })
    }

    /// A file of the folder; the file itself where it is one.
    fn file(&self, name: &str) -> Url {
        if self.single { self.url.clone() } else { self.url.join(name).expect("a plain name after a slash") }
    }
}

/// Reads the bank's files.
#[derive(Debug)]
struct Ecb {
    source: SourceName,
    http: Http,
    today: NaiveDate,
    address: Address,
}

/// Nobody has to prove who they are.
struct Anybody;

#[async_trait]
impl Vendor for Anybody {
    async fn authorise(&self, _request: &mut reqwest::Request) -> Result<(), FetchError> {
        Ok(())
    }

    async fn renew(&self) {}
}

impl Ecb {
    /// Every day of a file, in order.
    async fn read(&self, name: &str) -> Result<Vec<Fixing>, CollectError> {
        let url = self.address.file(name);
        let place = url.to_string();
        let answer = match url.to_file_path() {
            Ok(path) if url.scheme() == "file" => {
                let (status, headers) = (StatusCode::OK, HeaderMap::new());
                Answer { body: self.file(&place, path).await?, status, headers, place }
            }
            _ => self.http.send(Ask::get(&place, url), &Anybody, MOST).await?,
        };
        let (source, latest) = (self.source.clone(), self.today + Days::new(1));
        // The file of all days is large enough to keep others waiting.
        let read = tokio::task::spawn_blocking(move || sheet::read(&answer, &source, latest));
        Ok(read.await.map_err(|_| CollectError::Stopped)??)
    }

    async fn file(&self, place: &str, path: PathBuf) -> Result<Bytes, FetchError> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => FetchError::Missing {
                place: place.to_owned(),
                advice: "look at url, and at who copies it there".to_owned(),
            },
            _ => FetchError::Unavailable { place: place.to_owned(), why: error.to_string(), tries: 0 },
        };
        let size = tokio::fs::metadata(&path).await.map_err(failed)?.len();
        if size > MOST as u64 {
            let what = format!("has {size} bytes, more than {MOST}");
            return Err(FetchError::NotUnderstood { place: place.to_owned(), what, advice: sheet::ADVICE.to_owned() });
        }
        Ok(tokio::fs::read(&path).await.map_err(failed)?.into())
    }
}

#[async_trait]
impl RateCollector for Ecb {
    async fn check(&self) -> Result<Checked, CollectError> {
        let fixings = self.read(RECENT).await?;
        let newest = fixings.last().map(|fixing| format!("{} rates of {}", fixing.quotes.len(), fixing.day));
        Ok(Checked { notes: newest.map(|newest| format!("the newest are {newest}")).into_iter().collect() })
    }

    async fn rates(&self, window: DateRange) -> Result<Vec<Fixing>, CollectError> {
        let is_recent = self.today - Days::new(RECENT_DAYS) <= window.from();
        let fixings = self.read(if is_recent { RECENT } else { ALL }).await?;
        Ok(fixings.into_iter().filter(|fixing| window.contains(fixing.day)).collect())
    }
}
