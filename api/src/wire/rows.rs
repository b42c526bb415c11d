//! `format=rows`: one flat object a figure, which is what Grafana and scripts read most easily.

use outlay_model::report::{SpendReport, SpendRow};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use super::{Column, Envelope};

/// A spend answer as flat rows.
#[derive(Serialize)]
pub struct SpendRows<'a> {
    data: Rows<'a>,
    #[serde(flatten)]
    envelope: Envelope<'a>,
}

/// Lays an answer out as flat rows: `{"time", <dimensions>, "currency", "cost", "previous", "change"}`, of which `time`
/// is left out of totals, `currency` of converted answers, the last two of those compared with nothing.
#[must_use]
pub fn spend_rows(report: &SpendReport) -> SpendRows<'_> {
    SpendRows { data: Rows { columns: Column::of(report), rows: &report.rows }, envelope: Envelope::of(report) }
}

/// Written straight from the report: an answer may have 50 000 rows.
struct Rows<'a> {
    columns: Vec<(String, Column)>,
    rows: &'a [SpendRow],
}

struct Row<'a> {
    columns: &'a [(String, Column)],
    row: &'a SpendRow,
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.rows.len()))?;
        for row in self.rows {
            rows.serialize_element(&Row { columns: &self.columns, row })?;
        }
        rows.end()
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for (name, column) in self.columns {
            map.serialize_entry(name, &column.cell(self.row))?;
        }
        map.end()
    }
}
