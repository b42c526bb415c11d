//! A catalog at an address: one file, and the files on the same host that its `Location`s name.

use std::collections::BTreeSet;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{StatusCode, Url};

use super::documents::{Entity, Targets, parse};
use super::{MOST_BYTES, MOST_FILES, Note, Reading};
use crate::http::{Ask, Failed, FetchError, Http, Vendor, Verdict};

/// An address for people: without its query, which may hold a token.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// Reads the file at an address.
pub(super) async fn read(first: &Url, http: &Http, token: Option<&str>) -> Reading {
    let mut reading = Reading::default();
    let host = match Host::new(token) {
        Ok(host) => host,
        Err(text) => {
            reading.unread.push(Note { file: shown(first), line: None, text });
            return reading;
        }
    };
    let (mut seen, mut wanted) = (BTreeSet::from([first.clone()]), vec![first.clone()]);
    let mut next = 0;
    while let Some(url) = wanted.get(next).cloned() {
        next += 1;
        if next > MOST_FILES {
            let text = format!("names more than {MOST_FILES} files");
            reading.unread.push(Note { file: shown(first), line: None, text });
            break;
        }
        let file = shown(&url);
        let unread = |text: String| Note { file: file.clone(), line: None, text };
        let text = match http.send(Ask::get(&file, url.clone()), &host, MOST_BYTES).await {
            Ok(answer) if answer.is_page() => Err(unread(
                "is an HTML page; give the address of the file itself (\"raw\"), and a token if it needs one".into(),
            )),
            Ok(answer) => String::from_utf8(answer.body.to_vec()).map_err(|_| unread("is not UTF-8 text".to_owned())),
            // It says where itself.
            Err(error) => Err(unread(error.to_string().trim_start_matches(&format!("{file}: ")).to_owned())),
        };
        match text.and_then(|text| parse(&file, &text, &mut reading.notes)) {
            Err(why) => reading.unread.push(why),
            Ok(entities) => {
                for location in entities.iter().filter(|entity| entity.id.kind == "location") {
                    follow(location, &url, first, &mut seen, &mut wanted, &mut reading);
                }
                reading.entities.extend(entities.into_iter().filter(|entity| entity.id.kind != "location"));
            }
        }
    }
    reading
}

/// Adds the addresses that a `Location` names, as far as they are on the same host: whoever can write into a catalog must not
/// be able to send this server, or its token, anywhere else.
fn follow(
    location: &Entity,
    from: &Url,
    first: &Url,
    seen: &mut BTreeSet<Url>,
    wanted: &mut Vec<Url>,
    reading: &mut Reading,
) {
    let targets: Targets = match location.spec() {
        Ok(targets) => targets,
        Err(text) => return reading.notes.push(location.at.note(text)),
    };
    for target in targets.all() {
        match from.join(target) {
            Err(_) => reading.unread.push(location.at.note(format!("{target} is not an address"))),
            Ok(url) if url.origin() != first.origin() => {
                let text = format!("{target} is on another host, and not read; name it as a catalog of its own");
                reading.notes.push(location.at.note(text));
            }
            Ok(mut url) => {
                // Answers of one address are the same, whoever names it how.
                url.set_fragment(None);
                if seen.insert(url.clone()) {
                    wanted.push(url);
                }
            }
        }
    }
}

/// The host of a catalog, with the token that it is asked with.
struct Host(Option<HeaderValue>);

impl Host {
    fn new(token: Option<&str>) -> Result<Self, String> {
        let header = |token: &str| {
            let mut header = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
                .map_err(|_| "the token has characters that no token has".to_owned())?;
            header.set_sensitive(true);
            Ok(header)
        };
        token.map(header).transpose().map(Self)
    }
}

#[async_trait]
impl Vendor for Host {
    async fn authorise(&self, request: &mut reqwest::Request) -> Result<(), FetchError> {
        if let Some(token) = &self.0 {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        Ok(())
    }

    async fn renew(&self) {}

    fn judge(&self, failed: &Failed<'_>) -> Verdict {
        let (place, why) = (failed.place.to_owned(), failed.status_text());
        match failed.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let advice = "give a token that may read it, by backstage_token_env or backstage_token_file".to_owned();
                Verdict::Final(FetchError::Refused { place, why, advice })
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                let advice = "look at the address, and at whether the token may read it".to_owned();
                Verdict::Final(FetchError::Missing { place, advice })
            }
            status if status.is_redirection() => {
                let advice = "give the address that it leads to".to_owned();
                Verdict::Final(FetchError::Refused { place, why, advice })
            }
            _ => failed.verdict(),
        }
    }
}
