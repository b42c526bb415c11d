//! The software the company rents: Datadog and MongoDB Atlas.

pub(crate) mod atlas;
pub(crate) mod datadog;
