//! What is used, day by day, and who pays for it.

use super::{Bill, plain, usage};
use crate::DemoError;
use crate::anomalies::Plan;
use crate::calendar::{Span, Window};
use crate::line::Line;
use crate::money::{Costs, Decimal};
use crate::row::{Applied, Category, Charge, Credit, CreditKind, Frequency, Priced};
use crate::source::{Commitment, Discounts, What};

/// Promotional money of a month.
struct Promotion {
    description: &'static str,
    service: &'static str,
    from: chrono::NaiveDate,
    left: Decimal,
}

impl Bill<'_> {
    /// Writes all usage of the month, and adds to `extras` what the plans made of it.
    pub(super) fn days(&mut self, window: &Window, plans: &[Plan], extras: &mut [Decimal]) -> Result<(), DemoError> {
        let source = self.source;
        let promotions = source.events.iter().filter(|event| event.month == self.month.index);
        let mut promotions: Vec<Promotion> = promotions
            .filter_map(|event| match &event.what {
                What::Promotion(service, amount) => Some(Promotion {
                    description: event.description,
                    service: service.name,
                    from: self.month.day(event.day),
                    left: *amount,
                }),
                _ => None,
            })
            .collect();
        for span in source.spans(self.month, window) {
            let position = window.position(span.day);
            match &source.discounts {
                None => self.day(&span, position, plans, extras)?,
                Some(discounts) => self.discounted_day(&span, position, plans, extras, discounts, &mut promotions)?,
            }
        }
        Ok(())
    }

    fn day(&mut self, span: &Span, position: usize, plans: &[Plan], extras: &mut [Decimal]) -> Result<(), DemoError> {
        let source = self.source;
        let commitment = source.commitment.as_ref();
        let mut unspent = commitment.map_or(Decimal::ZERO, Commitment::daily);
        // The commitment is bought by the hour. In the quietest hours usage lies below it, so a little is wasted every day; in
        // the busiest ones usage lies above it, so a fifth of what a line uses is never covered.
        let mut budget = unspent.percent(97);
        for line in &source.lines {
            let mut quantity = used(line, span, position, plans, extras);
            if let Some(commitment) = commitment.filter(|commitment| commitment.covers(line)) {
                let rate = line.list.percent(commitment.rate);
                let covered = quantity.share(4, 5).smaller(budget.fitting(rate, quantity.scale()));
                if covered.is_positive() {
                    budget = budget - rate * covered;
                    unspent = unspent - rate * covered;
                    quantity = quantity - covered;
                    self.write(&covered_usage(line, commitment, span, covered, rate))?;
                }
            }
            // What has vanished, or is too little to measure, has no row.
            if !quantity.is_zero() {
                self.write(&usage(line, &line.subject, span.start(), span.end(), quantity))?;
            }
        }
        match commitment {
            Some(commitment) if unspent.is_positive() => self.write(&unused(commitment, span, unspent)),
            _ => Ok(()),
        }
    }

    fn discounted_day(
        &mut self,
        span: &Span,
        position: usize,
        plans: &[Plan],
        extras: &mut [Decimal],
        discounts: &Discounts,
        promotions: &mut [Promotion],
    ) -> Result<(), DemoError> {
        let mut committed = Decimal::new(discounts.units * span.hours(), 0);
        self.write(&fee(discounts, span, committed))?;
        let source = self.source;
        for line in &source.lines {
            let quantity = used(line, span, position, plans, extras);
            if quantity.is_zero() {
                continue;
            }
            let mut charge = usage(line, &line.subject, span.start(), span.end(), quantity);
            let mut credits = Vec::new();
            let mut credit = |kind, amount: Decimal| {
                // With the digits of the cost it is taken off.
                let amount = -amount.rounded(charge.costs.contracted.scale());
                if !amount.is_zero() {
                    credits.push(Credit { kind, amount });
                    charge.costs.billed += amount;
                    charge.costs.effective += amount;
                }
            };
            if line.offer.given {
                credit(CreditKind::FreeTier, line.contracted * quantity);
            }
            if line.offer.committable {
                let covers = discounts.covers(line);
                let covered = if covers { quantity.share(4, 5).smaller(committed) } else { Decimal::ZERO };
                committed = committed - covered;
                credit(CreditKind::Committed, line.contracted * covered);
                credit(CreditKind::Sustained, (line.contracted * (quantity - covered)).percent(discounts.sustained));
                if covered.is_positive() {
                    charge.pricing = Some("Committed");
                    charge.commitment = Some(Applied {
                        name: &discounts.name,
                        status: Some("Used"),
                        quantity: covered,
                        price: discounts.hourly,
                    });
                }
            }
            let mut rest = charge.costs.billed;
            let running = promotions.iter_mut().filter(|promotion| promotion.from <= span.day);
            for promotion in running.filter(|promotion| promotion.service == line.offer.service.name) {
                let amount = promotion.left.smaller(rest);
                if amount.is_positive() {
                    promotion.left = promotion.left - amount;
                    rest = rest - amount;
                    credits.push(Credit { kind: CreditKind::Promotion(promotion.description), amount: -amount });
                }
            }
            self.write(&Charge { credits: &credits, ..charge })?;
        }
        Ok(())
    }
}

/// What `line` uses in `span`; an anomaly is told with the end of its day.
fn used(line: &Line, span: &Span, position: usize, plans: &[Plan], extras: &mut [Decimal]) -> Decimal {
    let used = line.quantity(plans, position, span.day);
    if let Some((plan, more)) = used.planted.filter(|_| span.until == 24) {
        extras[plan] += line.contracted * more;
    }
    span.of(used.actual)
}

fn covered_usage<'a>(
    line: &'a Line,
    commitment: &'a Commitment,
    span: &Span,
    quantity: Decimal,
    rate: Decimal,
) -> Charge<'a> {
    let charge = usage(line, &line.subject, span.start(), span.end(), quantity);
    let amount = rate * quantity;
    Charge {
        pricing: Some("Committed"),
        costs: Costs { billed: Decimal::ZERO, effective: amount, ..charge.costs },
        commitment: Some(Applied { name: &commitment.name, status: Some("Used"), quantity: amount, price: rate }),
        ..charge
    }
}

/// What a day's commitment paid for and nobody used. Its unit price is zero: at public prices nothing was bought.
fn unused<'a>(commitment: &'a Commitment, span: &Span, amount: Decimal) -> Charge<'a> {
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
        commitment: Some(Applied {
            name: &commitment.name,
            status: Some("Unused"),
            quantity: amount,
            price: commitment.hourly,
        }),
        ..plain(Category::Usage, &commitment.unused, span.start(), span.end(), costs)
    }
}

/// What committed use costs, used or not.
fn fee<'a>(discounts: &'a Discounts, span: &Span, units: Decimal) -> Charge<'a> {
    Charge {
        frequency: Frequency::Recurring,
        pricing: Some("Standard"),
        priced: Some(Priced { quantity: units, unit: "Hours", list: discounts.hourly, contracted: discounts.hourly }),
        commitment: Some(Applied { name: &discounts.name, status: None, quantity: units, price: discounts.hourly }),
        ..plain(
            Category::Purchase,
            &discounts.fee,
            span.start(),
            span.end(),
            Costs::same((discounts.hourly * units).rescaled(6)),
        )
    }
}
