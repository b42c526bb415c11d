//! Writes one month of one source.
//!
//! Invariants:
//! - per commitment and month, Σ EffectiveCost of usage (used and unused) = Σ BilledCost of the purchase, to the last digit; in
//!   the open month the purchase is charged up to today, as the usage is;
//! - the billed costs of a closed month add up to whole cents, because the last row is the rounding that makes them;
//! - taxes are computed per cost metric from the same metric of what they tax (FOCUS 1.2, ListCost … EffectiveCost).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use flate2::{Compression, GzBuilder, write::GzEncoder};

use crate::DemoError;
use crate::anomalies::Plan;
use crate::calendar::{self, Month, Window};
use crate::line::Line;
use crate::money::{Costs, Decimal};
use crate::offer::{Service, TAX};
use crate::row::{Applied, Category, Charge, Frequency, Period, Priced, Subject};
use crate::source::{Commitment, Event, Source, Usage, What};

static ROUNDING: Service = Service::new("Invoice Rounding", "Rounding", "Other", "Other (Other)");

/// A file that may be gzipped.
enum Sink {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl Sink {
    fn create(path: &Path, compressed: bool) -> io::Result<Sink> {
        let file = BufWriter::with_capacity(1 << 18, File::create(path)?);
        Ok(match compressed {
            false => Sink::Plain(file),
            // No time and no name in the header: the same bills are the same bytes.
            true => Sink::Gzip(Box::new(GzBuilder::new().mtime(0).write(file, Compression::fast()))),
        })
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Sink::Plain(mut file) => file.flush(),
            Sink::Gzip(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Plain(file) => file.write(bytes),
            Sink::Gzip(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Plain(file) => file.flush(),
            Sink::Gzip(file) => file.flush(),
        }
    }
}

/// Writes `source`'s bill for `month` to `path`, adds to `extras` what each plan's anomaly cost in it, and returns the number
/// of rows.
pub(crate) fn write_month(
    source: &Source,
    window: &Window,
    month: &Month,
    plans: &[Plan],
    path: &Path,
    extras: &mut [Decimal],
) -> Result<u64, DemoError> {
    let unwritable = |source| DemoError::Write { path: path.to_owned(), source };
    let sink = Sink::create(path, source.compressed).map_err(unwritable)?;
    let mut file = csv::Writer::from_writer(sink);
    file.write_record(source.columns.iter().map(|column| column.name()))
        .map_err(|error| DemoError::row(path, error))?;
    let mut bill = Bill {
        source,
        month,
        period: Period {
            start: month.start,
            end: month.end,
            invoice: source.invoice.filter(|_| !month.is_open()).map(|id| id(month.start)),
        },
        path: path.to_owned(),
        file,
        rows: 0,
        billed: Decimal::ZERO,
        taxable: BTreeMap::new(),
    };
    bill.fees()?;
    if let Some(commitment) = &source.commitment {
        bill.purchase(commitment)?;
    }
    for day in month.days() {
        bill.day(window.position(day), day, plans, extras)?;
    }
    for event in source.events.iter().filter(|event| event.month == month.index) {
        bill.event(event, window)?;
    }
    bill.taxes()?;
    if !month.is_open() {
        bill.rounding()?;
    }
    let rows = bill.rows;
    let sink = bill.file.into_inner().map_err(|error| unwritable(error.into_error()))?;
    sink.finish().map_err(unwritable)?;
    Ok(rows)
}

/// A month's file being written, with the sums that its last rows are made from.
struct Bill<'a> {
    source: &'a Source,
    month: &'a Month,
    period: Period,
    path: PathBuf,
    file: csv::Writer<Sink>,
    rows: u64,
    billed: Decimal,
    /// By service name.
    taxable: BTreeMap<&'static str, Costs>,
}

impl Bill<'_> {
    fn write(&mut self, charge: &Charge<'_>) -> Result<(), DemoError> {
        self.rows += 1;
        self.billed += charge.costs.billed;
        if matches!(charge.category, Category::Usage | Category::Purchase) {
            *self.taxable.entry(charge.subject.service.name).or_insert(Costs::ZERO) += charge.costs;
        }
        charge
            .write(self.source.columns, &self.source.head, &self.period, &mut self.file)
            .map_err(|error| DemoError::row(&self.path, error))
    }

    fn fees(&mut self) -> Result<(), DemoError> {
        let source = self.source;
        for fee in &source.fees {
            let end = if fee.whole_month { self.month.end } else { calendar::next(self.month.start) };
            self.write(&Charge {
                frequency: Frequency::Recurring,
                pricing: Some("Standard"),
                priced: Some(Priced {
                    quantity: Decimal::new(1, 0),
                    unit: "Months",
                    list: fee.amount,
                    contracted: fee.amount,
                }),
                ..plain(Category::Purchase, &fee.subject, self.month.start, end, Costs::same(fee.amount))
            })?;
        }
        Ok(())
    }

    fn purchase(&mut self, commitment: &Commitment) -> Result<(), DemoError> {
        let hours = Decimal::new(24 * self.month.charged_days(), 0);
        let amount = (commitment.hourly * hours).rescaled(6);
        let costs = Costs { effective: Decimal::ZERO, ..Costs::same(amount) };
        self.write(&Charge {
            frequency: Frequency::Recurring,
            pricing: Some("Standard"),
            priced: Some(Priced {
                quantity: hours,
                unit: "Hours",
                list: commitment.hourly,
                contracted: commitment.hourly,
            }),
            commitment: Some(Applied { name: &commitment.name, status: None, quantity: amount }),
            ..plain(Category::Purchase, &commitment.purchase, self.month.start, self.month.charged_until, costs)
        })
    }

    fn day(
        &mut self,
        position: usize,
        day: NaiveDate,
        plans: &[Plan],
        extras: &mut [Decimal],
    ) -> Result<(), DemoError> {
        let source = self.source;
        let commitment = source.commitment.as_ref();
        let mut unspent = commitment.map_or(Decimal::ZERO, Commitment::daily);
        // The commitment is bought by the hour. In the quietest hours usage lies below it, so a little is wasted every day; in
        // the busiest ones usage lies above it, so a fifth of what a line uses is never covered.
        let mut budget = unspent.percent(97);
        for line in &source.lines {
            let used = line.quantity(plans, position, day);
            if let Some((plan, more)) = used.planted {
                extras[plan] += line.contracted * more;
            }
            let mut quantity = used.actual;
            if let Some(commitment) = commitment.filter(|commitment| commitment.covers(line)) {
                let rate = line.list.percent(commitment.rate);
                let covered = quantity.four_fifths().smaller(budget.fitting(rate, quantity.scale()));
                if covered.is_positive() {
                    budget = budget - rate * covered;
                    unspent = unspent - rate * covered;
                    quantity = quantity - covered;
                    self.write(&covered_usage(line, commitment, day, covered, rate * covered))?;
                }
            }
            // What has vanished, or is too little to measure, has no row.
            if !quantity.is_zero() {
                self.write(&usage(line, &line.subject, day, quantity))?;
            }
        }
        match commitment {
            Some(commitment) if unspent.is_positive() => self.write(&unused(commitment, day, unspent)),
            _ => Ok(()),
        }
    }

    fn event(&mut self, event: &Event, window: &Window) -> Result<(), DemoError> {
        let day = self.month.day(event.day);
        match &event.what {
            What::Credit(service, amount) => {
                let subject = Subject::bare(service, event.description);
                let end = calendar::next(day);
                self.write(&plain(Category::Credit, &subject, day, end, Costs::same(-*amount)))
            }
            What::Refund(usage) => self.pay_back(usage, day, window, event.description, false),
            What::Correction(usage) => match window.months.get(self.month.index.wrapping_sub(1)) {
                Some(before) => self.pay_back(usage, before.day(event.day), window, event.description, true),
                None => Ok(()),
            },
        }
    }

    fn pay_back(
        &mut self,
        what: &Usage,
        day: NaiveDate,
        window: &Window,
        description: &str,
        correction: bool,
    ) -> Result<(), DemoError> {
        let Some(line) = what.line(self.source) else {
            return Ok(());
        };
        let subject = Subject { description: description.to_owned(), ..line.subject.clone() };
        let quantity = line.refund(window.position(day), what.share);
        self.write(&Charge { correction, ..usage(line, &subject, day, quantity) })
    }

    fn taxes(&mut self) -> Result<(), DemoError> {
        let tax = &self.source.tax;
        let bases: Vec<(&'static Service, Costs)> = if tax.on.is_empty() {
            let mut all = Costs::ZERO;
            self.taxable.values().for_each(|costs| all += *costs);
            vec![(&TAX, all)]
        } else {
            let base = |service: &Service| self.taxable.get(service.name).copied().unwrap_or(Costs::ZERO);
            tax.on.iter().map(|service| (*service, base(service))).collect()
        };
        for (service, base) in bases {
            let subject = Subject::bare(service, tax.description);
            // Taxes are levied in cents.
            let costs = base.map(|amount| (amount * tax.rate).rounded(2).rescaled(6));
            self.write(&plain(Category::Tax, &subject, self.month.start, self.month.charged_until, costs))?;
        }
        Ok(())
    }

    fn rounding(&mut self) -> Result<(), DemoError> {
        let difference = self.billed.rounded(2) - self.billed;
        if difference.is_zero() {
            return Ok(());
        }
        let subject = Subject::bare(&ROUNDING, "Rounding of the invoice total");
        let last = self.month.end.pred_opt().unwrap_or(self.month.start);
        self.write(&plain(Category::Adjustment, &subject, last, self.month.end, Costs::same(difference)))
    }
}

/// A one-time charge without price, quantity or commitment; the others are this with more filled in.
fn plain(category: Category, subject: &Subject, start: NaiveDate, end: NaiveDate, costs: Costs) -> Charge<'_> {
    Charge {
        subject,
        category,
        correction: false,
        frequency: Frequency::OneTime,
        pricing: None,
        start,
        end,
        priced: None,
        costs,
        commitment: None,
    }
}

fn usage<'a>(line: &Line, subject: &'a Subject, day: NaiveDate, quantity: Decimal) -> Charge<'a> {
    let contracted = line.contracted * quantity;
    let costs = Costs { list: line.list * quantity, ..Costs::same(contracted) };
    Charge {
        frequency: Frequency::UsageBased,
        pricing: Some(line.offer.pricing.name()),
        priced: Some(Priced { quantity, unit: line.offer.unit, list: line.list, contracted: line.contracted }),
        ..plain(Category::Usage, subject, day, calendar::next(day), costs)
    }
}

fn covered_usage<'a>(
    line: &'a Line,
    commitment: &'a Commitment,
    day: NaiveDate,
    quantity: Decimal,
    amount: Decimal,
) -> Charge<'a> {
    let charge = usage(line, &line.subject, day, quantity);
    Charge {
        pricing: Some("Committed"),
        costs: Costs { billed: Decimal::ZERO, effective: amount, ..charge.costs },
        commitment: Some(Applied { name: &commitment.name, status: Some("Used"), quantity: amount }),
        ..charge
    }
}

/// What a day's commitment paid for and nobody used. Its unit price is zero: at public prices nothing was bought.
fn unused(commitment: &Commitment, day: NaiveDate, amount: Decimal) -> Charge<'_> {
    let costs = Costs { effective: amount, ..Costs::ZERO };
    Charge {
        frequency: Frequency::UsageBased,
        pricing: Some("Committed"),
        priced: Some(Priced {
            quantity: Decimal::new(24, 0),
            unit: "Hours",
            list: Decimal::ZERO,
            contracted: Decimal::ZERO,
        }),
        commitment: Some(Applied { name: &commitment.name, status: Some("Unused"), quantity: amount }),
        ..plain(Category::Usage, &commitment.unused, day, calendar::next(day), costs)
    }
}
