//! The forms that bills come in: how a provider writes the charges of a month down, and where.
//!
//! A charge is invented once, in the words of FOCUS ([`row`](crate::row)); a form writes it as its provider would. Where a form has
//! no word for something, what it says instead is the charge's [`Meaning`]: the sums that the pipeline is held against are
//! of meanings.

use std::path::{Path, PathBuf};

use crate::calendar::{Month, Window};
use crate::money::{Costs, Decimal};
use crate::row::{Charge, Column, Letterhead, Period};
use crate::{DemoError, Export};

pub(crate) mod cost_details;
pub(crate) mod data_export;
pub(crate) mod sink;
mod table;
pub(crate) mod usage_export;

use cost_details::{CostDetails, CostExports};
use data_export::DataExport;
use table::Table;
use usage_export::{UsageExport, UsageLines};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// FOCUS, one file a month in the source's folder.
    Focus {
        /// The columns in their order.
        columns: &'static [Column],
    },
    /// FOCUS in a Data Export of AWS.
    DataExport(&'static DataExport),
    /// Microsoft's cost details, actual and amortised.
    CostExports(&'static CostExports),
    /// Google's detailed usage export.
    UsageExport(&'static UsageExport),
}

/// What a charge is once a form has said it, where that may be another thing than was invented. No service, category or cost
/// is one that the form does not state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meaning {
    /// FOCUS ChargeCategory.
    pub(crate) category: &'static str,
    pub(crate) service: Option<&'static str>,
    pub(crate) service_category: Option<&'static str>,
    /// Of these, the billed and the effective cost.
    pub(crate) costs: Costs,
    pub(crate) list: Option<Decimal>,
    pub(crate) contracted: Option<Decimal>,
}

impl Meaning {
    /// That of FOCUS: what was invented.
    fn of(charge: &Charge<'_>) -> Meaning {
        let service = charge.subject.service;
        Meaning {
            category: charge.category.name(),
            service: Some(service.name),
            service_category: Some(service.category),
            costs: charge.costs,
            list: Some(charge.costs.list),
            contracted: Some(charge.costs.contracted),
        }
    }
}

/// A month that is being written.
pub(crate) trait Page {
    fn write(&mut self, charge: &Charge<'_>) -> Result<(), DemoError>;

    /// The files it has become.
    fn finish(self: Box<Self>) -> Result<Vec<PathBuf>, DemoError>;
}

impl Form {
    /// See [`Meaning`].
    pub(crate) fn meaning(self, charge: &Charge<'_>) -> Meaning {
        match self {
            Form::Focus { .. } | Form::DataExport(_) => Meaning::of(charge),
            Form::CostExports(_) => cost_details::meaning(charge),
            Form::UsageExport(_) => usage_export::meaning(charge),
        }
    }

    /// What is below the folder of a source.
    pub(crate) fn export(self, folder: &Path) -> Export {
        match self {
            Form::Focus { .. } => Export::Focus,
            Form::DataExport(export) => Export::DataExport(export.folder(folder)),
            Form::CostExports(exports) => {
                let root = folder.join(exports.root);
                Export::CostDetails { actual: root.join(exports.actual), amortised: root.join(exports.amortised) }
            }
            Form::UsageExport(export) => Export::UsageExport(folder.join(export.table)),
        }
    }

    /// An empty page for a month of the source whose folder it is.
    pub(crate) fn open<'a>(
        self,
        folder: &Path,
        head: &'a Letterhead,
        period: &'a Period,
        month: &Month,
        window: &Window,
    ) -> Result<Box<dyn Page + 'a>, DemoError> {
        Ok(match self {
            Form::Focus { columns } => {
                Box::new(Table::open(head, period, columns, folder.join(format!("{}.csv.gz", period.label())))?)
            }
            Form::DataExport(export) => Box::new(Table::exported(head, period, export, folder)?),
            Form::CostExports(exports) => Box::new(CostDetails::open(exports, head, period, month, window, folder)?),
            Form::UsageExport(export) => Box::new(UsageLines::open(export, head, period, folder)?),
        })
    }
}
