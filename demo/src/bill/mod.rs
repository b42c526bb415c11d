//! Writes one month of one source.
//!
//! Invariants:
//! - per commitment and month, Σ EffectiveCost of usage (used and unused) = Σ BilledCost of the purchase, to the last digit; in
//!   the open month the purchase is charged up to today, as the usage is;
//! - the billed costs of a closed month add up to whole cents, because the last row is the rounding that makes them;
//! - taxes are computed per cost metric from the same metric of what they tax (FOCUS 1.2, ListCost … EffectiveCost).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::NaiveDateTime;

use crate::DemoError;
use crate::anomalies::Plan;
use crate::calendar::{self, Month, Window};
use crate::form::Page;
use crate::line::Line;
use crate::money::{Costs, Decimal};
use crate::offer::{Service, TAX};
use crate::row::{Applied, Category, Charge, CreditKind, Frequency, Period, Priced, Return, Subject};
use crate::source::{Commitment, Event, Source, Usage, What};
use crate::sums::Sums;

mod day;

/// What a month was written to.
pub(crate) struct Written {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) charges: u64,
}

/// Writes `source`'s bill for `month` below `folder`, adds to `extras` what each plan's anomaly cost in it, and to `sums` what all
/// of it costs.
pub(crate) fn write_month(
    source: &Source,
    window: &Window,
    month: &Month,
    plans: &[Plan],
    folder: &Path,
    extras: &mut [Decimal],
    sums: &mut Sums,
) -> Result<Written, DemoError> {
    let end = calendar::at(month.end, (source.begins)(month.end));
    let period = Period {
        start: calendar::at(month.start, (source.begins)(month.start)),
        end,
        invoice: source.invoice.filter(|_| !month.is_open()).map(|id| id(month.start)),
    };
    let mut bill = Bill {
        source,
        month,
        period: &period,
        charged_until: if month.is_open() { calendar::at(month.charged_until, 0) } else { end },
        page: source.form.open(folder, &source.head, &period, month, window)?,
        charges: 0,
        billed: Decimal::ZERO,
        taxable: BTreeMap::new(),
        sums,
    };
    bill.fees()?;
    if let Some(commitment) = &source.commitment {
        bill.purchase(commitment)?;
    }
    bill.days(window, plans, extras)?;
    for event in source.events.iter().filter(|event| event.month == month.index) {
        bill.event(event, window)?;
    }
    bill.taxes()?;
    if !month.is_open() {
        bill.rounding()?;
    }
    let charges = bill.charges;
    Ok(Written { files: bill.page.finish()?, charges })
}

/// A month's bill being written, with the sums that its last rows are made from.
struct Bill<'a> {
    source: &'a Source,
    month: &'a Month,
    period: &'a Period,
    /// The end of what is charged.
    charged_until: NaiveDateTime,
    page: Box<dyn Page + 'a>,
    charges: u64,
    billed: Decimal,
    /// By service name.
    taxable: BTreeMap<&'static str, Costs>,
    sums: &'a mut Sums,
}

impl Bill<'_> {
    fn write(&mut self, charge: &Charge<'_>) -> Result<(), DemoError> {
        self.charges += 1;
        self.billed += charge.costs.billed;
        if matches!(charge.category, Category::Usage | Category::Purchase) {
            *self.taxable.entry(charge.subject.service.name).or_insert(Costs::ZERO) += charge.costs;
        }
        self.sums.add(self.source, self.period, charge);
        for credit in charge.credits {
            if let CreditKind::Promotion(_) = credit.kind {
                self.charges += 1;
                self.billed += credit.amount;
                let costs = Costs::same(credit.amount);
                let given = plain(Category::Credit, charge.subject, charge.start, charge.end, costs);
                self.sums.add(self.source, self.period, &given);
            }
        }
        self.page.write(charge)
    }

    fn fees(&mut self) -> Result<(), DemoError> {
        let source = self.source;
        for fee in &source.fees {
            let end = if fee.whole_month { self.period.end } else { calendar::midnight_after(self.month.start) };
            self.write(&Charge {
                frequency: Frequency::Recurring,
                pricing: Some("Standard"),
                priced: Some(Priced {
                    quantity: Decimal::new(1, 0),
                    unit: "Months",
                    list: fee.amount,
                    contracted: fee.amount,
                }),
                ..plain(Category::Purchase, &fee.subject, self.period.start, end, Costs::same(fee.amount))
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
            commitment: Some(Applied {
                name: &commitment.name,
                status: None,
                quantity: amount,
                price: commitment.hourly,
            }),
            ..plain(Category::Purchase, &commitment.purchase, self.period.start, self.charged_until, costs)
        })
    }

    fn event(&mut self, event: &Event, window: &Window) -> Result<(), DemoError> {
        let day = self.month.day(event.day);
        match &event.what {
            What::Credit(service, amount) => {
                let subject = Subject::bare(service, event.description);
                let (start, end) = (calendar::at(day, 0), calendar::midnight_after(day));
                self.write(&plain(Category::Credit, &subject, start, end, Costs::same(-*amount)))
            }
            // Given with the days' usage.
            What::Promotion(..) => Ok(()),
            What::Refund(usage) => self.pay_back(usage, day, window, event.description, Return::Refund),
            What::Correction(usage) => match window.months.get(self.month.index.wrapping_sub(1)) {
                Some(before) => {
                    self.pay_back(usage, before.day(event.day), window, event.description, Return::Correction)
                }
                None => Ok(()),
            },
        }
    }

    fn pay_back(
        &mut self,
        what: &Usage,
        day: chrono::NaiveDate,
        window: &Window,
        description: &str,
        why: Return,
    ) -> Result<(), DemoError> {
        let Some(line) = what.line(self.source) else {
            return Ok(());
        };
        let subject = Subject { description: description.to_owned(), ..line.subject.clone() };
        let quantity = line.refund(window.position(day), what.share);
        let (start, end) = (calendar::at(day, 0), calendar::midnight_after(day));
        self.write(&Charge { returned: Some(why), ..usage(line, &subject, start, end, quantity) })
    }

    fn taxes(&mut self) -> Result<(), DemoError> {
        let tax = &self.source.tax;
        let base = |service: &Service| self.taxable.get(service.name).copied().unwrap_or(Costs::ZERO);
        let total = |bases: &mut dyn Iterator<Item = Costs>| {
            bases.fold(Costs::ZERO, |mut all, costs| {
                all += costs;
                all
            })
        };
        let bases: Vec<(&'static Service, Costs)> = match (tax.on, tax.booked) {
            ([], booked) => vec![(booked.unwrap_or(&TAX), total(&mut self.taxable.values().copied()))],
            (on, Some(booked)) => vec![(booked, total(&mut on.iter().map(|service| base(service))))],
            (on, None) => on.iter().map(|service| (*service, base(service))).collect(),
        };
        for (service, base) in bases {
            let subject = Subject::bare(service, tax.description);
            // Taxes are levied in cents.
            let costs = base.map(|amount| (amount * tax.rate).rounded(2).rescaled(6));
            self.write(&plain(Category::Tax, &subject, self.period.start, self.charged_until, costs))?;
        }
        Ok(())
    }

    fn rounding(&mut self) -> Result<(), DemoError> {
        let difference = self.billed.rounded(2) - self.billed;
        if difference.is_zero() {
            return Ok(());
        }
        let subject = Subject::bare(self.source.rounding, "Rounding of the invoice total");
        let last = calendar::at(self.month.end.pred_opt().unwrap_or(self.month.start), 0);
        self.write(&plain(Category::Adjustment, &subject, last, self.period.end, Costs::same(difference)))
    }
}

/// A one-time charge without price, quantity or commitment; the others are this with more filled in.
fn plain(category: Category, subject: &Subject, start: NaiveDateTime, end: NaiveDateTime, costs: Costs) -> Charge<'_> {
    Charge {
        subject,
        category,
        returned: None,
        frequency: Frequency::OneTime,
        pricing: None,
        start,
        end,
        priced: None,
        costs,
        credits: &[],
        commitment: None,
    }
}

fn usage<'a>(
    line: &Line,
    subject: &'a Subject,
    start: NaiveDateTime,
    end: NaiveDateTime,
    quantity: Decimal,
) -> Charge<'a> {
    let contracted = line.contracted * quantity;
    let costs = Costs { list: line.list * quantity, ..Costs::same(contracted) };
    Charge {
        frequency: Frequency::UsageBased,
        pricing: Some(line.offer.pricing.name()),
        priced: Some(Priced { quantity, unit: line.offer.unit, list: line.list, contracted: line.contracted }),
        ..plain(Category::Usage, subject, start, end, costs)
    }
}
