//! What a Parquet file says about itself: enough to know whose it is when the catalog is lost.
//!
//! Only the end of a file is read, never the whole of it.

use std::collections::BTreeMap;
use std::io::Cursor;

use bigdecimal::BigDecimal;
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use outlay_model::part::{Layer, PartFile};
use outlay_model::query::Metric;
use outlay_model::{DeliveryKey, PartId, SourceName};
use polars::prelude::{ParquetReader, SerReader as _};

use crate::{Store, StoreError};

/// The keys of a footer, for the writer and the reader of it.
pub(crate) mod key {
    pub(crate) const PART: &str = "outlay.part";
    pub(crate) const SOURCE: &str = "outlay.source";
    pub(crate) const DELIVERY: &str = "outlay.delivery";
    pub(crate) const FINGERPRINT: &str = "outlay.fingerprint";
    pub(crate) const LAYOUT: &str = "outlay.layout";
    pub(crate) const ROWS: &str = "outlay.rows";

    pub(crate) fn sum(metric: outlay_model::query::Metric) -> String {
        format!("outlay.sum.{metric}")
    }
}

/// A file below `charges` or `daily`, and what its footer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub file: PartFile,
    /// Its length.
    pub bytes: u64,
    /// Its footer, or what is wrong with it.
    pub footer: Result<Footer, Unreadable>,
}

/// What a file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// The part it belongs to.
    pub part: PartId,
    /// Whose.
    pub source: SourceName,
    /// Which delivery.
    pub delivery: DeliveryKey,
    /// Its hash.
    pub fingerprint: String,
    /// The version of the layout.
    pub layout: u32,
    /// Charges in the part: those in the file, or those rolled up in it.
    pub rows: u64,
    /// Σ of each cost. Only `daily` says so.
    pub sums: BTreeMap<Metric, BigDecimal>,
}

/// Why a file says nothing about itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It does not end as a Parquet file does.
    #[error("it is cut short, or no Parquet file")]
    CutShort,
    /// It ends as one, but its footer cannot be read.
    #[error("its footer is damaged")]
    Damaged,
    /// A Parquet file, of somebody else.
    #[error("it is not a file of Outlay's: its footer has no readable {key}")]
    Foreign {
        /// What is not there, or means nothing.
        key: String,
    },
}

/// How much of the end is read at first; a longer footer takes a second look.
const FIRST_LOOK: u64 = 1 << 16;
/// After a footer: its length, and the magic bytes.
const ENDING: u64 = 8;
/// Files looked at at once.
const AT_ONCE: usize = 8;

impl Store {
    /// Every file below `charges` and `daily`, whatever the catalog says of it, sorted by path.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be listed or read. What is wrong with one file is said of that file.
    pub async fn footers(&self) -> Result<Vec<Found>, StoreError> {
        let mut files = Vec::new();
        for layer in [Layer::Charges, Layer::Daily] {
            for listed in self.listed(layer.as_str()).await? {
                files.push((PartFile { layer, path: listed.path }, listed.bytes));
            }
        }
        let found = files.into_iter().map(async |(file, bytes)| {
            let footer = self.footer(&file, bytes).await?;
            Ok(Found { file, bytes, footer })
        });
        futures_util::stream::iter(found).buffered(AT_ONCE).try_collect().await
    }

    async fn footer(&self, file: &PartFile, bytes: u64) -> Result<Result<Footer, Unreadable>, StoreError> {
        let mut tail = self.tail(&file.path, FIRST_LOOK).await?;
        let Some(length) = footer_length(&tail).filter(|length| length + ENDING < bytes) else {
            return Ok(Err(Unreadable::CutShort));
        };
        if length + ENDING > tail.len() as u64 {
            tail = self.tail(&file.path, length + ENDING).await?;
        }
        Ok(read(tail, file.layer))
    }
}

/// The length that the end of a Parquet file gives for its footer.
fn footer_length(tail: &[u8]) -> Option<u64> {
    let (length, magic) = tail.last_chunk::<{ ENDING as usize }>()?.split_at(4);
    (magic == b"PAR1").then(|| u64::from(u32::from_le_bytes(length.try_into().expect("four of eight bytes"))))
}

fn read(tail: Vec<u8>, layer: Layer) -> Result<Footer, Unreadable> {
    let mut reader = ParquetReader::new(Cursor::new(tail));
    let metadata = reader.get_metadata().map_err(|_| Unreadable::Damaged)?;
    let pairs = metadata.key_value_metadata().iter().flatten();
    let said: BTreeMap<&str, &str> =
        pairs.filter_map(|pair| Some((pair.key.as_str(), pair.value.as_deref()?))).collect();
    let text = |key: &str| said.get(key).copied().ok_or_else(|| Unreadable::Foreign { key: key.to_owned() });
    let meant = |key: &str| Unreadable::Foreign { key: key.to_owned() };
    let mut sums = BTreeMap::new();
    for metric in Metric::ALL {
        let key = key::sum(*metric);
        if let Some(sum) = said.get(key.as_str()) {
            sums.insert(*metric, sum.parse().map_err(|_| meant(&key))?);
        }
    }
    Ok(Footer {
        part: PartId::new(text(key::PART)?),
        source: SourceName::parse(text(key::SOURCE)?).map_err(|_| meant(key::SOURCE))?,
        delivery: DeliveryKey::new(text(key::DELIVERY)?),
        fingerprint: text(key::FINGERPRINT)?.to_owned(),
        layout: text(key::LAYOUT)?.parse().map_err(|_| meant(key::LAYOUT))?,
        // The file's own count cannot be wrong about itself; a roll-up has to say what is behind it.
        rows: match layer {
            Layer::Charges => metadata.num_rows as u64,
            Layer::Daily => text(key::ROWS)?.parse().map_err(|_| meant(key::ROWS))?,
        },
        sums,
    })
}
