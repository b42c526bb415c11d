//! What providers sell: services, price-list entries, regions and accounts, as static tables in the providers' modules.

use chrono::{Datelike, NaiveDate};

use crate::calendar;
use crate::company::{Environment, Run, Stack};
use crate::money::Decimal;

/// A provider's service, with its FOCUS class.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    /// The provider's own short code.
    pub(crate) code: &'static str,
    pub(crate) category: &'static str,
    pub(crate) subcategory: &'static str,
}

impl Service {
    pub(crate) const fn new(
        name: &'static str,
        code: &'static str,
        category: &'static str,
        subcategory: &'static str,
    ) -> Service {
        Service { name, code, category, subcategory }
    }
}

/// What taxes are booked on when they concern a whole bill.
pub(crate) static TAX: Service = Service::new("Tax", "Tax", "Other", "Other (Other)");

/// What the rounding of an invoice is booked on.
pub(crate) static ROUNDING: Service = Service::new("Invoice Rounding", "Rounding", "Other", "Other (Other)");

/// A region, with the zone the demo uses there.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) zone: &'static str,
}

/// An account, subscription, project or organisation below the billing account.
#[derive(Debug)]
pub(crate) struct SubAccount {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
}

/// How usage follows the days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rhythm {
    /// Shoppers: fewer at weekends.
    Traffic,
    /// Employees: few at weekends.
    Office,
    /// Jobs: a little more at weekends, when the big ones run.
    Batch,
    /// Things that exist day and night: disks, databases, gateways.
    Steady,
}

impl Rhythm {
    /// Usage on `day` relative to an ordinary weekday. Outside production people's days decide: what can be switched off at
    /// the weekend is.
    pub(crate) fn factor(self, environment: Environment, day: NaiveDate) -> f64 {
        let weekend = calendar::is_weekend(day);
        match (self, environment) {
            (Rhythm::Steady, _) => 1.0,
            (Rhythm::Traffic, Environment::Prod) => {
                [1.0, 0.99, 1.0, 1.02, 1.04, 0.80, 0.76][day.weekday().num_days_from_monday() as usize]
            }
            (Rhythm::Office, Environment::Prod) if weekend => 0.42,
            (Rhythm::Batch, Environment::Prod) if weekend => 1.08,
            (_, Environment::Prod) => 1.0,
            (_, Environment::Staging) if weekend => 0.25,
            (_, Environment::Dev) if weekend => 0.15,
            (_, Environment::Staging | Environment::Dev) => 1.0,
        }
    }
}

/// Whether a price is fixed or moves with the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pricing {
    Standard,
    /// Spot capacity.
    Dynamic,
}

/// One price-list entry, and what using it looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) service: &'static Service,
    /// What is metered; with the service it is the entry's identity, from which the SKU id is made.
    pub(crate) meter: &'static str,
    pub(crate) description: &'static str,
    pub(crate) unit: &'static str,
    /// Public price for one unit.
    pub(crate) list: Decimal,
    /// Percent off the public price where it differs from the contract's general discount.
    pub(crate) discount: Option<u8>,
    pub(crate) pricing: Pricing,
    pub(crate) rhythm: Rhythm,
    /// Resource type and pattern of its id; see [`fill`].
    pub(crate) resource: Option<(&'static str, &'static str)>,
    /// FOCUS SkuPriceDetails.
    pub(crate) details: Option<&'static str>,
    /// Whether the source's commitment may pay for it.
    pub(crate) committable: bool,
    /// Whether the provider takes all of its price off again.
    pub(crate) given: bool,
    /// Whether it comes from one zone of a region.
    pub(crate) zonal: bool,
}

impl Offer {
    pub(crate) const fn new(
        service: &'static Service,
        meter: &'static str,
        description: &'static str,
        unit: &'static str,
        list: Decimal,
        rhythm: Rhythm,
    ) -> Offer {
        Offer {
            service,
            meter,
            description,
            unit,
            list,
            discount: None,
            pricing: Pricing::Standard,
            rhythm,
            resource: None,
            details: None,
            committable: false,
            given: false,
            zonal: false,
        }
    }

    pub(crate) const fn resource(mut self, kind: &'static str, pattern: &'static str) -> Offer {
        self.resource = Some((kind, pattern));
        self
    }

    pub(crate) const fn details(mut self, json: &'static str) -> Offer {
        self.details = Some(json);
        self
    }

    pub(crate) const fn committable(mut self) -> Offer {
        self.committable = true;
        self
    }

    pub(crate) const fn given(mut self) -> Offer {
        self.given = true;
        self
    }

    pub(crate) const fn zonal(mut self) -> Offer {
        self.zonal = true;
        self
    }

    /// Capacity at a market price, `discount` percent below the public one.
    pub(crate) const fn spot(mut self, discount: u8) -> Offer {
        self.pricing = Pricing::Dynamic;
        self.discount = Some(discount);
        self
    }

    /// Quantity × price of a free tier is zero, so its volume cannot be derived from spend.
    pub(crate) const fn is_free(&self) -> bool {
        self.list.is_zero()
    }
}

/// One part of a stack: an offer and its share of the spend.
pub(crate) type Part = (&'static Offer, u32);

/// What a provider builds a component's stack from; empty if it does not offer such a thing.
pub(crate) type Stacks = fn(Stack) -> &'static [Part];

/// What `run` spends on each of its parts in `environment` in a day of the window's first month.
pub(crate) fn daily_spend(
    run: &Run,
    parts: &'static [Part],
    environment: Environment,
) -> impl Iterator<Item = (&'static Offer, f64)> {
    let parts = &parts[..environment.parts(parts.len())];
    let shares: u32 = parts.iter().map(|(_, share)| share).sum();
    let daily = f64::from(run.monthly) * environment.share() / 30.4;
    parts.iter().map(move |(offer, share)| (*offer, daily * f64::from(*share) / f64::from(shares)))
}

/// `pattern` with its `{words}` replaced.
pub(crate) fn fill(pattern: &str, words: &[(&str, &str)]) -> String {
    words.iter().fold(pattern.to_owned(), |text, (word, value)| text.replace(word, value))
}
