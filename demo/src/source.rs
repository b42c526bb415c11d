//! What one provider's bill is made of, month after month.

use chrono::NaiveDate;

use crate::calendar::{Month, Span, Window};
use crate::company::Environment;
use crate::form::Form;
use crate::line::Line;
use crate::money::Decimal;
use crate::offer::Service;
use crate::row::{CommitmentName, Letterhead, Subject};

/// One billing source: everything [`bill`](crate::bill) needs to write its months.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) head: Letterhead,
    /// How its bills are written down.
    pub(crate) form: Form,
    pub(crate) lines: Vec<Line>,
    pub(crate) commitment: Option<Commitment>,
    pub(crate) discounts: Option<Discounts>,
    pub(crate) fees: Vec<Fee>,
    pub(crate) events: Vec<Event>,
    pub(crate) tax: Tax,
    /// What the rounding of an invoice is booked on.
    pub(crate) rounding: &'static Service,
    /// The invoice id of the month that starts on this day; None before FOCUS 1.2, which brought InvoiceId.
    pub(crate) invoice: Option<fn(NaiveDate) -> String>,
    /// The hour, in UTC, at which the month that starts on this day begins to be billed.
    pub(crate) begins: fn(NaiveDate) -> u32,
}

/// A month that begins with its first day.
pub(crate) const fn at_midnight(_: NaiveDate) -> u32 {
    0
}

impl Source {
    /// Every piece of a day that is billed with `month`, in order. Where a month begins later than its first day, its last piece is
    /// the beginning of the next one's first day.
    pub(crate) fn spans(&self, month: &Month, window: &Window) -> Vec<Span> {
        let (begins, ends) = ((self.begins)(month.start), (self.begins)(month.end));
        let first = |day| if day == month.start { begins } else { 0 };
        let days = month.days().map(|day| Span { day, from: first(day), until: 24 });
        let rest = Some(Span { day: month.end, from: 0, until: ends }).filter(|_| ends > 0 && month.end < window.today);
        days.chain(rest).collect()
    }
}

/// A commitment that runs through the whole window and is paid month by month.
#[derive(Debug)]
pub(crate) struct Commitment {
    pub(crate) name: CommitmentName,
    /// What the monthly row charges for.
    pub(crate) purchase: Subject,
    /// What the rows of unused hours charge for.
    pub(crate) unused: Subject,
    /// Price of one hour of the commitment, whether it is used or not.
    pub(crate) hourly: Decimal,
    /// Price of covered usage in percent of the public price.
    pub(crate) rate: i128,
}

impl Commitment {
    /// What a day of it costs.
    pub(crate) fn daily(&self) -> Decimal {
        self.hourly * Decimal::new(24, 0)
    }

    /// Whether it may pay for what `line` uses: a commitment bought for a region covers that region only.
    pub(crate) fn covers(&self, line: &Line) -> bool {
        let there = line.subject.region.map(|region| region.id);
        line.committable && self.purchase.region.is_none_or(|region| Some(region.id) == there)
    }
}

/// What is taken off charges where they stand, rather than paid by a [`Commitment`] with amortised costs.
#[derive(Debug)]
pub(crate) struct Discounts {
    /// How much of what committable lines in the fee's region use is committed, every hour.
    pub(crate) units: i128,
    /// What the fee for them charges for.
    pub(crate) fee: Subject,
    /// Price of one of them for an hour.
    pub(crate) hourly: Decimal,
    pub(crate) name: CommitmentName,
    /// Percent off what runs all the time and is not committed.
    pub(crate) sustained: i128,
}

impl Discounts {
    /// Whether committed use may be `line`'s.
    pub(crate) fn covers(&self, line: &Line) -> bool {
        let there = line.subject.region.map(|region| region.id);
        line.committable && self.fee.region.map(|region| region.id) == there
    }
}

/// A fixed amount due on the first of each month.
#[derive(Debug)]
pub(crate) struct Fee {
    pub(crate) subject: Subject,
    pub(crate) amount: Decimal,
    /// Charged for the whole month, or for its first day.
    pub(crate) whole_month: bool,
}

/// Something that happens once, in one of the twelve whole months (0 is the oldest).
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) month: usize,
    pub(crate) day: u32,
    pub(crate) description: &'static str,
    pub(crate) what: What,
}

/// What happens.
#[derive(Debug)]
pub(crate) enum What {
    /// Money the provider gives, on a service. The amount is positive.
    Credit(&'static Service, Decimal),
    /// The same, taken off what is used of the service from this day on until it is spent, or the month over.
    Promotion(&'static Service, Decimal),
    /// A share of a day's usage of a component's service is paid back.
    Refund(Usage),
    /// The same for the same day of the month before, which is already invoiced.
    Correction(Usage),
}

/// A share of a day's usage in production.
#[derive(Debug)]
pub(crate) struct Usage {
    pub(crate) component: &'static str,
    pub(crate) service: &'static Service,
    pub(crate) share: f64,
}

impl Usage {
    /// The first line it is a share of.
    pub(crate) fn line<'a>(&self, source: &'a Source) -> Option<&'a Line> {
        source.lines.iter().find(|line| {
            line.owner.component == Some(self.component)
                && line.owner.environment == Environment::Prod
                && line.offer.service.name == self.service.name
        })
    }
}

/// How a source's bill is taxed: one row for each of `on`, or one for all.
#[derive(Debug)]
pub(crate) struct Tax {
    pub(crate) description: &'static str,
    /// 0.19 for 19 %.
    pub(crate) rate: Decimal,
    /// The taxed services; all of them when empty.
    pub(crate) on: &'static [&'static Service],
    /// What taxes are booked on; otherwise, each on the service it is for.
    pub(crate) booked: Option<&'static Service>,
}
