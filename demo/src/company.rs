//! The company whose bills are invented: a mid-sized online retailer, its teams and the components they run.
//!
//! Names no provider's services: a component says *where* it runs and *what kind* of thing it is ([`Stack`]), and each provider's
//! module says what such a thing is made of there.

/// A company: what the bills of [`write_bills`](crate::write_bills) are about.
#[derive(Clone, Copy, Debug)]
pub struct Company {
    /// Display name.
    pub name: &'static str,
    /// Every team that owns a component.
    pub teams: &'static [Team],
    /// Every component, grouped by team.
    pub components: &'static [Component],
}

impl Company {
    /// The company of the demo; the same one for every seed.
    pub const fn invented() -> Company {
        Company { name: "Brightwater Goods", teams: TEAMS, components: COMPONENTS }
    }
}

/// A team as its tag values spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Team {
    /// The value of the team tag.
    pub name: &'static str,
    /// The department it belongs to.
    pub department: &'static str,
    /// The accountable owner's mail address, in a domain reserved for examples.
    pub owner: &'static str,
    /// How many people work in it.
    pub people: u32,
}

/// Something a team builds and runs.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    /// The value of the component tag.
    pub name: &'static str,
    /// The owning team's name.
    pub team: &'static str,
    /// Growth of its spend in thousandths a month.
    pub(crate) growth: i32,
    pub(crate) runs: &'static [Run],
}

/// One place a component runs in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) cloud: Cloud,
    pub(crate) stack: Stack,
    /// What production costs in the window's first month, in whole units of the source's currency.
    pub(crate) monthly: u32,
}

/// Where a component runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cloud {
    Aws,
    Azure,
    Gcp,
    Atlas,
}

/// What kind of thing a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// Virtual machines behind a load balancer, with a relational database.
    Service,
    /// Functions and queues.
    Function,
    /// Containers.
    Container,
    /// Scheduled jobs on cheap capacity.
    Batch,
    /// Processing and searching of large data.
    Data,
    /// Object storage with queries on top.
    Lake,
    /// Streams of events.
    Stream,
    /// Content for browsers.
    Edge,
    /// Shared network.
    Network,
    /// An analytical database.
    Warehouse,
    /// Training and serving of models.
    Model,
    /// A document database.
    Documents,
}

/// A deployment environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Environment {
    Prod,
    Staging,
    Dev,
}

impl Environment {
    pub(crate) const ALL: [Environment; 3] = [Environment::Prod, Environment::Staging, Environment::Dev];

    /// The value of the environment tag.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Environment::Prod => "prod",
            Environment::Staging => "staging",
            Environment::Dev => "dev",
        }
    }

    /// Spend as a share of production's.
    pub(crate) const fn share(self) -> f64 {
        match self {
            Environment::Prod => 1.0,
            Environment::Staging => 0.17,
            Environment::Dev => 0.09,
        }
    }

    /// How many of a stack's `parts` exist here: smaller environments leave out the later ones.
    pub(crate) const fn parts(self, parts: usize) -> usize {
        match self {
            Environment::Prod => parts,
            Environment::Staging => parts.div_ceil(2),
            Environment::Dev => parts.div_ceil(3),
        }
    }

    /// Whether `run` has this environment: nobody keeps one for what would cost a few coins.
    pub(crate) fn exists_for(self, run: &Run) -> bool {
        self == Environment::Prod || f64::from(run.monthly) * self.share() >= 140.0
    }
}

const fn team(name: &'static str, department: &'static str, owner: &'static str, people: u32) -> Team {
    Team { name, department, owner, people }
}

static TEAMS: &[Team] = &[
    team("payments", "Commerce", "ines.carvalho@brightwater.example", 9),
    team("checkout", "Commerce", "tom.okafor@brightwater.example", 8),
    team("search", "Discovery", "mei.tanaka@brightwater.example", 7),
    team("identity", "Commerce", "lars.nyberg@brightwater.example", 6),
    team("data-platform", "Data", "aisha.rahman@brightwater.example", 10),
    team("ml", "Data", "pavel.novak@brightwater.example", 8),
    team("mobile", "Discovery", "grace.mensah@brightwater.example", 9),
    team("web", "Discovery", "julien.moreau@brightwater.example", 11),
    team("logistics", "Operations", "katrin.vogel@brightwater.example", 12),
    team("platform", "Engineering", "dan.whitfield@brightwater.example", 10),
    team("observability", "Engineering", "sofia.ricci@brightwater.example", 5),
    team("internal-tools", "Operations", "omar.haddad@brightwater.example", 6),
];

const fn component(name: &'static str, team: &'static str, growth: i32, runs: &'static [Run]) -> Component {
    Component { name, team, growth, runs }
}

const fn aws(stack: Stack, monthly: u32) -> Run {
    Run { cloud: Cloud::Aws, stack, monthly }
}

const fn azure(stack: Stack, monthly: u32) -> Run {
    Run { cloud: Cloud::Azure, stack, monthly }
}

const fn gcp(stack: Stack, monthly: u32) -> Run {
    Run { cloud: Cloud::Gcp, stack, monthly }
}

const fn atlas(monthly: u32) -> Run {
    Run { cloud: Cloud::Atlas, stack: Stack::Documents, monthly }
}

static COMPONENTS: &[Component] = {
    use Stack::{Batch, Container, Data, Edge, Function, Lake, Model, Network, Service, Stream, Warehouse};
    &[
        component("payment-gateway", "payments", 24, &[aws(Service, 7_400)]),
        component("ledger-service", "payments", 18, &[aws(Service, 5_200)]),
        component("fraud-scoring", "payments", 35, &[gcp(Model, 2_600)]),
        component("payout-batch", "payments", 11, &[aws(Batch, 1_800)]),
        component("invoice-renderer", "payments", 8, &[aws(Function, 900)]),
        component("checkout-api", "checkout", 26, &[aws(Service, 6_800)]),
        component("cart-service", "checkout", 22, &[aws(Service, 4_100), atlas(1_350)]),
        component("promo-engine", "checkout", 30, &[aws(Function, 1_500), atlas(520)]),
        component("tax-calculator", "checkout", 9, &[aws(Function, 800)]),
        component("basket-recovery", "checkout", 4, &[aws(Batch, 700)]),
        component("search-api", "search", 21, &[aws(Service, 5_600)]),
        component("search-indexer", "search", 16, &[aws(Data, 6_100)]),
        component("suggest-service", "search", 12, &[aws(Function, 1_300)]),
        component("ranking-model", "search", 38, &[gcp(Model, 3_900)]),
        component("catalogue-store", "search", 17, &[atlas(1_700)]),
        component("login-service", "identity", 14, &[aws(Service, 3_900)]),
        component("session-store", "identity", 19, &[aws(Function, 2_100)]),
        component("account-profile", "identity", 13, &[aws(Service, 2_700), atlas(880)]),
        component("consent-service", "identity", 6, &[aws(Function, 500)]),
        component("sso-bridge", "identity", 5, &[azure(Service, 1_900)]),
        component("clickstream-pipeline", "data-platform", 33, &[aws(Data, 9_800)]),
        component("warehouse", "data-platform", 29, &[gcp(Warehouse, 8_900)]),
        component("etl-orchestrator", "data-platform", 15, &[aws(Container, 2_900)]),
        component("data-lake", "data-platform", 27, &[aws(Lake, 6_900)]),
        component("event-bus", "data-platform", 23, &[aws(Stream, 4_200)]),
        component("reverse-etl", "data-platform", 12, &[gcp(Function, 950)]),
        component("recommender", "ml", 42, &[gcp(Model, 6_400)]),
        component("feature-store", "ml", 31, &[gcp(Warehouse, 3_100)]),
        component("image-tagger", "ml", 18, &[gcp(Function, 1_400)]),
        component("demand-forecast", "ml", 7, &[gcp(Batch, 1_700)]),
        component("support-assistant", "ml", 55, &[azure(Model, 4_300)]),
        component("mobile-bff", "mobile", 20, &[aws(Service, 3_600)]),
        component("push-gateway", "mobile", 10, &[gcp(Function, 900)]),
        component("app-config", "mobile", 3, &[aws(Function, 300)]),
        component("mobile-analytics", "mobile", 25, &[gcp(Warehouse, 2_100)]),
        component("wishlist", "mobile", 14, &[gcp(Container, 1_600), atlas(430)]),
        component("storefront", "web", 24, &[aws(Edge, 8_600)]),
        component("image-cdn", "web", 28, &[aws(Edge, 6_200)]),
        component("content-api", "web", 12, &[aws(Container, 2_400), atlas(610)]),
        component("seo-renderer", "web", -6, &[aws(Container, 1_700)]),
        component("ab-testing", "web", 16, &[gcp(Function, 800)]),
        component("order-routing", "logistics", 19, &[azure(Service, 6_200)]),
        component("warehouse-ops", "logistics", 14, &[azure(Service, 5_800)]),
        component("carrier-integration", "logistics", 11, &[azure(Function, 2_100)]),
        component("stock-sync", "logistics", 22, &[azure(Data, 3_400)]),
        component("returns-portal", "logistics", 9, &[azure(Service, 2_000)]),
        component("shipment-tracking", "logistics", 21, &[aws(Service, 2_700), atlas(1_150)]),
        component("kubernetes-clusters", "platform", 17, &[aws(Container, 8_200)]),
        component("ci-runners", "platform", 13, &[aws(Batch, 4_300)]),
        component("artifact-registry", "platform", 8, &[aws(Lake, 1_500)]),
        component("network-core", "platform", 10, &[aws(Network, 5_400)]),
        component("gke-clusters", "platform", 15, &[gcp(Container, 3_600)]),
        component("log-pipeline", "observability", 20, &[aws(Stream, 3_900)]),
        component("metrics-store", "observability", 16, &[aws(Service, 3_100)]),
        component("trace-collector", "observability", 12, &[gcp(Container, 1_500)]),
        component("status-page", "observability", 2, &[aws(Function, 150)]),
        component("erp", "internal-tools", 8, &[azure(Service, 5_400)]),
        component("legacy-erp-bridge", "internal-tools", -4, &[azure(Service, 1_700)]),
        component("bi-dashboards", "internal-tools", 13, &[azure(Warehouse, 3_800)]),
        component("hr-portal", "internal-tools", 5, &[azure(Function, 1_100), atlas(260)]),
        component("chatops-bot", "internal-tools", 1, &[azure(Function, 250)]),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_has_a_team_and_every_team_a_component() {
        let company = Company::invented();
        assert!((55..=65).contains(&company.components.len()), "{}", company.components.len());
        for component in company.components {
            assert!(company.teams.iter().any(|team| team.name == component.team), "{}", component.name);
        }
        for team in company.teams {
            assert!(company.components.iter().any(|component| component.team == team.name), "{}", team.name);
        }
    }

    #[test]
    fn spend_grows_about_two_percent_a_month() {
        let (growth, spend) = COMPONENTS.iter().fold((0, 0), |(growth, spend), component| {
            let monthly: u32 = component.runs.iter().map(|run| run.monthly).sum();
            (growth + component.growth * monthly as i32, spend + monthly as i32)
        });
        assert!((18..=26).contains(&(growth / spend)), "{}", growth / spend);
    }
}
