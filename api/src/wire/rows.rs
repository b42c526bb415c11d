//! `format=rows`: one flat object a figure, which is what Grafana and scripts read most easily.

use outlay_model::report::{SpendReport, SpendRow as Figure};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::{Amount, Column, Envelope};

/// A spend answer as flat rows.
#[derive(Serialize, ToSchema)]
#[schema(as = SpendRows)]
pub struct SpendRows<'a> {
    /// One object a figure.
    #[schema(value_type = Vec<SpendRow>)]
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
    rows: &'a [Figure],
}

struct Row<'a> {
    columns: &'a [(String, Column)],
    row: &'a Figure,
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

/// One figure, in the OpenAPI document: its columns are named by the question.
pub struct SpendRow;

impl PartialSchema for SpendRow {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        let time = ObjectBuilder::new().schema_type(Type::String);
        let time = time.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        let row = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("One figure: the values of its group under the names of the dimensions, and its cost."))
            .property("time", time.description(Some("The start of its bucket; not there with `granularity=total`.")))
            .property("currency", text().description(Some("Its currency, where currencies are kept apart.")))
            .property("cost", or_null("Null when no charge in it states the metric."))
            .required("cost")
            .property("previous", or_null("With `compare`: the cost then; null when nothing is known of it."))
            .property("change", or_null("With `compare`: now less then."))
            .additional_properties(Some(Schema::Object(
                text().description(Some("The value of a grouped dimension; null where charges have none.")).build(),
            )));
        Schema::Object(row.build()).into()
    }
}

impl ToSchema for SpendRow {}

/// An amount that may not be known.
pub(super) fn or_null(about: &str) -> Schema {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let amount = RefOr::Ref(utoipa::openapi::Ref::from_schema_name(Amount::name()));
    Schema::OneOf(OneOfBuilder::new().item(null).item(amount).description(Some(about)).build())
}
