//! What a Parquet file says about itself: enough to know whose it is when the catalog is lost.
//!
//! Only the end of a file is read, never the whole of it.

use std::collections::BTreeMap;
use std::io::Cursor;

use bigdecimal::BigDecimal;
use futures_util::future::FutureExt as _;
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use outlay_model::ownership::SHARED;
use outlay_model::part::{Layer, PartFile};
use outlay_model::query::Metric;
use outlay_model::{DeliveryKey, PartId, SourceName};
use polars::prelude::{ParquetReader, SerReader as _};

use crate::folder::Listed;
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
    /// It is what a provider answered, as it came.
    #[error("it holds a provider's answers, which do not say for which part they were kept")]
    Raw,
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
pub(crate) const ENDING: u64 = 8;
/// What a Parquet file begins and ends with.
pub(crate) const MAGIC: &[u8; 4] = b"PAR1";
/// Files looked at at once.
const AT_ONCE: usize = 8;

impl Store {
    /// Every file below `charges`, `daily` and `raw`, whatever the catalog says of it, sorted by path.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be listed or read. What is wrong with one file is said of that file.
    pub async fn footers(&self) -> Result<Vec<Found>, StoreError> {
        let mut files = Vec::new();
        for layer in [Layer::Charges, Layer::Daily, Layer::Raw] {
            files.extend(self.home.list(layer.as_str()).await?.into_iter().map(|file| (layer, file)));
        }
        // Boxed and collected, or the compiler loses sight of what may be sent between threads.
        let found: Vec<_> = files.into_iter().map(|(layer, file)| self.found(layer, file).boxed()).collect();
        futures_util::stream::iter(found).buffered(AT_ONCE).try_collect().await
    }

    async fn found(&self, layer: Layer, file: Listed) -> Result<Found, StoreError> {
        let footer = self.footer(layer, &file).await?;
        Ok(Found { file: PartFile { layer, path: file.path }, bytes: file.bytes, footer })
    }

    async fn footer(&self, layer: Layer, file: &Listed) -> Result<Result<Footer, Unreadable>, StoreError> {
        if layer == Layer::Raw {
            return Ok(Err(Unreadable::Raw));
        }
        let mut tail = self.home.tail(file, FIRST_LOOK).await?;
        let Some(length) = footer_length(&tail, file.bytes) else { return Ok(Err(Unreadable::CutShort)) };
        if length + ENDING > tail.len() as u64 {
            tail = self.home.tail(file, length + ENDING).await?;
        }
        Ok(read(tail, layer))
    }
}

/// The length that the end of a Parquet file of so many bytes gives for its footer; `None` when it does not end as one.
pub(crate) fn footer_length(tail: &[u8], bytes: u64) -> Option<u64> {
    let (length, magic) = tail.last_chunk::<{ ENDING as usize }>()?.split_at(4);
    let length = u64::from(u32::from_le_bytes(length.try_into().ok()?));
    // The magic stands at the beginning as well.
    (magic == MAGIC && MAGIC.len() as u64 + length + ENDING <= bytes).then_some(length)
}

/// A source, or the pool whose transfers the file holds.
fn source(text: &str) -> Option<SourceName> {
    SourceName::parse(text.strip_prefix(SHARED).unwrap_or(text)).is_ok().then(|| SourceName::new(text))
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
        source: source(text(key::SOURCE)?).ok_or_else(|| meant(key::SOURCE))?,
        delivery: DeliveryKey::new(text(key::DELIVERY)?),
        fingerprint: text(key::FINGERPRINT)?.to_owned(),
        layout: text(key::LAYOUT)?.parse().map_err(|_| meant(key::LAYOUT))?,
        // The file's own count cannot be wrong about itself; a roll-up has to say what is behind it.
        rows: match layer {
            Layer::Charges => metadata.num_rows as u64,
            Layer::Daily | Layer::Raw => text(key::ROWS)?.parse().map_err(|_| meant(key::ROWS))?,
        },
        sums,
    })
}
