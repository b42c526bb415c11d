//! Addresses of stores that are not on this machine.

use std::fmt;
use std::str::FromStr;

use object_store::path::Path;

/// Who keeps the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    S3,
    Gcs,
    Azure,
}

/// A bucket (Azure says container) and a prefix in it: `s3://bucket/prefix`, `gs://bucket/prefix`,
/// `az://container/prefix`. The prefix may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    pub(crate) provider: Provider,
    pub(crate) bucket: String,
    pub(crate) prefix: Path,
}

/// The text is no address of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketUrlError {
    /// Neither `s3://` nor `gs://` nor `az://`.
    #[error("is not the address of a bucket")]
    Scheme,
    /// Nothing, or what cannot be a bucket's name, stands where its name should.
    #[error("names no bucket")]
    Bucket,
    /// The prefix has an empty part, `.` or `..`.
    #[error("has a prefix that is no plain path")]
    Prefix,
    /// Access keys or options stand in it.
    #[error("has more than a bucket and a prefix in it; credentials and options are given by variables")]
    TooMuch,
}

impl BucketUrl {
    /// The schemes there are.
    pub const SCHEMES: [&str; 3] = ["s3", "gs", "az"];

    /// Where on a disk copies of its objects are kept, below the cache: buckets never share a folder.
    pub(crate) fn folder(&self) -> String {
        let prefix =
            if self.prefix.as_ref().is_empty() { "-".to_owned() } else { self.prefix.as_ref().replace('/', "+") };
        format!("{}/{}/{prefix}", self.scheme(), self.bucket)
    }

    const fn scheme(&self) -> &'static str {
        match self.provider {
            Provider::S3 => "s3",
            Provider::Gcs => "gs",
            Provider::Azure => "az",
        }
    }
}

impl FromStr for BucketUrl {
    type Err = BucketUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or(BucketUrlError::Scheme)?;
        let provider = match scheme {
            "s3" => Provider::S3,
            "gs" => Provider::Gcs,
            "az" => Provider::Azure,
            _ => return Err(BucketUrlError::Scheme),
        };
        if rest.contains(['@', '?', '#']) {
            return Err(BucketUrlError::TooMuch);
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !bucket.starts_with(|c: char| c.is_ascii_alphanumeric()) || !bucket.chars().all(named) {
            return Err(BucketUrlError::Bucket);
        }
        // The parser would let one slash too many pass.
        let prefix = Some(prefix).filter(|prefix| !prefix.starts_with('/')).ok_or(BucketUrlError::Prefix)?;
        let prefix = Path::parse(prefix).map_err(|_| BucketUrlError::Prefix)?;
        Ok(Self { provider, bucket: bucket.to_owned(), prefix })
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.bucket)?;
        if self.prefix.as_ref().is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, folder) in
            [("s3://bills", "s3/bills/-"), ("gs://bills/outlay", "gs/bills/outlay"), ("az://bills/a/b", "az/bills/a+b")]
        {
            let url: BucketUrl = text.parse().expect(text);
            assert_eq!((url.to_string().as_str(), url.folder().as_str()), (text, folder));
        }
        assert_eq!("s3://bills/outlay/".parse::<BucketUrl>().expect("ends with /").to_string(), "s3://bills/outlay");
        for (text, error) in [
            ("bills", BucketUrlError::Scheme),
            ("http://bills", BucketUrlError::Scheme),
            ("s3://", BucketUrlError::Bucket),
            ("s3:///x", BucketUrlError::Bucket),
            ("s3://../x", BucketUrlError::Bucket),
            ("s3://b ills", BucketUrlError::Bucket),
            ("s3://key:secret@bills", BucketUrlError::TooMuch),
            ("az://bills?sig=secret", BucketUrlError::TooMuch),
            ("s3://bills//x", BucketUrlError::Prefix),
            ("s3://bills/../x", BucketUrlError::Prefix),
        ] {
            assert_eq!(text.parse::<BucketUrl>(), Err(error), "{text}");
        }
    }
}
