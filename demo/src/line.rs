//! A line is one resource group that one price-list entry charges day by day.
//!
//! A line's quantity is a level that grows, times the rhythm of the week, times noise; a planted anomaly multiplies it on its days.
//! Lines are built once for the whole window, so a month's file is only a matter of writing.

use chrono::NaiveDate;

use crate::anomalies::Plan;
use crate::calendar::Window;
use crate::chance::{self, Chance};
use crate::company::{Cloud, Company, Component, Environment};
use crate::money::Decimal;
use crate::offer::{self, Offer, Region, Stacks, SubAccount};
use crate::row::{Resource, Sku, Subject};
use crate::tags::{Owner, Scheme};

/// See the module.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) owner: Owner,
    pub(crate) offer: &'static Offer,
    pub(crate) subject: Subject,
    /// Undisturbed quantity for each day of the window.
    volumes: Vec<f64>,
    pub(crate) list: Decimal,
    pub(crate) contracted: Decimal,
    quantity_scale: u32,
    /// Positions in the list of plans.
    plans: Vec<usize>,
    /// Whether the source's commitment may pay for it.
    pub(crate) committable: bool,
}

/// What a line uses on one day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantity {
    pub(crate) actual: Decimal,
    /// (plan, difference to an undisturbed day) while a planted anomaly shows.
    pub(crate) planted: Option<(usize, Decimal)>,
}

impl Line {
    /// What is used on the window's day at `position`, which is `day`.
    pub(crate) fn quantity(&self, plans: &[Plan], position: usize, day: NaiveDate) -> Quantity {
        let volume = self.volumes[position];
        let usual = Decimal::drawn(volume, self.quantity_scale);
        let shown = self.plans.iter().find(|plan| plans[**plan].from <= day && day < plans[**plan].until);
        match shown {
            None => Quantity { actual: usual, planted: None },
            Some(plan) => {
                let actual = Decimal::drawn(volume * plans[*plan].factor, self.quantity_scale);
                Quantity { actual, planted: Some((*plan, actual - usual)) }
            }
        }
    }

    /// A share of the undisturbed quantity of a day, to be paid back.
    pub(crate) fn refund(&self, position: usize, share: f64) -> Decimal {
        -Decimal::drawn(self.volumes[position] * share, self.quantity_scale)
    }
}

/// What is asked of a [`Workshop`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) owner: Owner,
    pub(crate) offer: &'static Offer,
    pub(crate) account: &'static SubAccount,
    pub(crate) region: Option<&'static Region>,
    /// Spend on a weekday at the window's start; for free offers, the quantity.
    pub(crate) daily: f64,
    /// Thousandths a month.
    pub(crate) growth: i32,
}

/// Builds the lines of one source.
#[derive(Debug)]
pub(crate) struct Workshop<'a> {
    pub(crate) source: &'static str,
    pub(crate) chance: Chance,
    pub(crate) window: &'a Window,
    pub(crate) plans: &'a [Plan],
    pub(crate) scheme: Scheme,
    /// Percent the contract takes off public prices.
    pub(crate) discount: u8,
    /// Digits after the point of a cost at contracted prices.
    pub(crate) cost_scale: u32,
    /// How the provider spells (SkuId, SkuPriceId).
    pub(crate) sku: fn(&Offer) -> (String, String),
}

impl Workshop<'_> {
    /// The lines of everything the company runs in `cloud`.
    pub(crate) fn components(
        &self,
        cloud: Cloud,
        stacks: Stacks,
        place: impl Fn(&Component, Environment) -> (&'static SubAccount, &'static Region),
    ) -> Vec<Line> {
        let mut lines = Vec::new();
        for component in Company::invented().components {
            for run in component.runs.iter().filter(|run| run.cloud == cloud) {
                for environment in Environment::ALL.into_iter().filter(|each| each.exists_for(run)) {
                    let (account, region) = place(component, environment);
                    let owner = Owner { team: component.team, component: Some(component.name), environment };
                    let spend = offer::daily_spend(run, stacks(run.stack), environment);
                    lines.extend(spend.map(|(offer, daily)| {
                        self.line(Order {
                            owner,
                            offer,
                            account,
                            region: Some(region),
                            daily,
                            growth: component.growth,
                        })
                    }));
                }
            }
        }
        lines
    }

    /// One line.
    pub(crate) fn line(&self, order: Order) -> Line {
        let Order { owner, offer, .. } = order;
        let concerned = self.plans.iter().any(|plan| plan.concerns(self.source, &owner));
        let hits = |plan: &Plan| plan.hits(self.source, &owner, offer.service.name);
        let (list, contracted) = self.prices(offer);
        // Quantity digits are what the cost may have beyond those of the price, so that costs stay exact.
        let quantity_scale = self.cost_scale.saturating_sub(contracted.scale());
        let plans: Vec<usize> = (0..self.plans.len()).filter(|plan| hits(&self.plans[*plan])).collect();
        Line {
            owner,
            offer,
            subject: self.subject(&order, concerned),
            volumes: self.volumes(&order, contracted),
            list,
            contracted,
            quantity_scale,
            committable: offer.committable && owner.environment == Environment::Prod && plans.is_empty(),
            plans,
        }
    }

    /// Public and contracted price of one unit.
    fn prices(&self, offer: &Offer) -> (Decimal, Decimal) {
        match offer.discount.unwrap_or(self.discount) {
            0 => (offer.list, offer.list),
            percent => (offer.list, offer.list.percent(100 - i128::from(percent))),
        }
    }

    fn volumes(&self, order: &Order, price: Decimal) -> Vec<f64> {
        let Order { owner, offer, .. } = *order;
        let component = owner.component.unwrap_or(owner.team);
        // A component's busy days are busy for all its parts; each part adds noise of its own. Together 3 to 8 %.
        let mut shared = self.chance.stream(&["component", component]);
        let mut own = self.chance.stream(&[&["line", self.source], &key(order)[..]].concat());
        let spread = own.between(0.024, 0.074);
        let growth = f64::from(order.growth) / 1_000.0 + own.between(-0.004, 0.004);
        let mut level = if offer.is_free() { order.daily } else { order.daily / price.approximate() };
        self.window
            .days()
            .map(|day| {
                level *= 1.0 + growth / 30.4;
                let noise = 1.0 + 0.02 * shared.noise() + spread * own.noise();
                level * offer.rhythm.factor(owner.environment, day) * noise
            })
            .collect()
    }

    fn subject(&self, order: &Order, tidy: bool) -> Subject {
        let Order { owner, offer, account, region, .. } = *order;
        let key = key(order);
        let words = [&["resource", self.source], &key[..]].concat();
        let component = owner.component.unwrap_or(owner.team);
        let name = format!("{component}-{}", owner.environment.name());
        let (sku, price) = (self.sku)(offer);
        let resource = offer.resource.map(|(kind, pattern)| {
            let id = offer::fill(
                pattern,
                &[
                    ("{account}", account.id),
                    ("{region}", region.map_or("global", |region| region.id)),
                    ("{zone}", region.map_or("global", |region| region.zone)),
                    ("{name}", &name),
                    ("{hex}", &chance::hex(16, &words)),
                    ("{long}", &chance::hex(24, &words)),
                    ("{digits}", &chance::digits(19, &words)),
                    ("{uuid}", &chance::uuid(&words)),
                ],
            );
            // A name that only repeats the generated id is worse than none (FOCUS 1.2, ResourceName).
            Resource { name: Some(name.clone()).filter(|name| !id.ends_with(name.as_str())), id, kind }
        });
        Subject {
            service: offer.service,
            description: offer.description.to_owned(),
            account: Some(account),
            region,
            zonal: offer.zonal,
            resource,
            sku: Some(Sku { id: sku, price_id: price, meter: offer.meter, details: offer.details }),
            tags: self.scheme.tags(&owner, &[&[self.source], &key[..]].concat(), tidy),
            group: Some(format!("rg-{name}")),
        }
    }
}

/// What tells a line from the others of its source.
fn key(order: &Order) -> [&'static str; 5] {
    let Order { owner, offer, .. } = order;
    [owner.team, owner.component.unwrap_or("-"), owner.environment.name(), offer.service.name, offer.meter]
}
