//! What is answered about owners, in full.

use outlay_insights::{
    About, Among, Claimed, ComponentLine, ComponentReport, OwnedQuery, Part, Peers, PeersPeriod, Per, Position,
    Release, Releases, ReleasesQuery, Shortened, TagPart, TeamLine, TeamReport, Teams, Unclaimed, UnclaimedLine,
    UnitCost, UnitCostOf, UnitCostQuery, UnitCostRow, Window,
};
use outlay_model::ownership::{Event, Origin};
use outlay_model::query::Metric;
use outlay_model::report::Warning;
use outlay_model::{ComponentId, Currency, DateRange, Granularity, Money, SeriesId, TagKey, TeamId};
use serde_json::json;

use super::super::{
    component_json, coverage_json, events_json, peers_json, releases_json, team_json, teams_json, unit_cost_json,
};
use super::pretty;

fn money(text: &str) -> Money {
    text.parse().expect("money")
}

fn days(from: &str, to: &str) -> DateRange {
    DateRange::parse_bounds(from, to).expect("days")
}

fn owned() -> OwnedQuery {
    OwnedQuery { range: days("2026-10-01", "2026-11-01"), metric: Metric::Effective, currency: Currency::USD }
}

fn about() -> About {
    let message = "aws has stated nothing for 2026-10-17".to_owned();
    About {
        query: owned(),
        complete_until: Some("2026-10-30".parse().expect("a day")),
        generation: 412,
        warnings: vec![Warning { code: "missing_days", message }],
    }
}

fn payments() -> TeamLine {
    let said = json!({
        "title": "Payments", "owner": [{ "is": "Ines" }, { "from": "2026-10-20", "is": "Tom" }], "kind": "product", "people": 6,
        "parent": "commerce", "channels": ["#payments"], "currency": "EUR",
    });
    TeamLine {
        id: TeamId::new("payments"),
        said: Some(serde_json::from_value(said).expect("a team")),
        origin: Some(Origin::File),
        owner: Some("Tom".to_owned()),
        people: Some(6),
        parent: Some(TeamId::new("commerce")),
        department: TeamId::new("commerce"),
        own: Some(money("70.000000000000000001")),
        with_descendants: Some(money("73")),
        share: Some(money("0.38829787234")),
    }
}

#[test]
fn teams() {
    let found = TeamLine {
        id: TeamId::new("found"),
        said: None,
        origin: None,
        owner: None,
        people: None,
        parent: None,
        department: TeamId::new("found"),
        own: None,
        with_descendants: None,
        share: None,
    };
    let (total, unallocated, in_pools) = (Some(money("188")), Some(money("12")), Some(Money::ZERO));
    let teams = Teams { about: about(), teams: vec![payments(), found], total, unallocated, in_pools };
    insta::assert_snapshot!(pretty(&teams_json(&teams)));
    let (children, components) = (vec![TeamId::new("cards")], vec![ComponentId::new("checkout")]);
    let report = TeamReport { about: about(), team: payments(), total, children, components };
    insta::assert_snapshot!(pretty(&team_json(&report)));
}

#[test]
fn a_component() {
    let said = json!({ "team": "payments", "system": "shop", "links": { "Runbook": "https://wiki.example.com" } });
    let component = ComponentLine {
        id: ComponentId::new("checkout"),
        said: Some(serde_json::from_value(said).expect("a component")),
        origin: Some(Origin::Backstage),
        team: Some(TeamId::new("payments")),
        cost: Some(money("10")),
        share: Some(money("0.053191489362")),
    };
    let report = ComponentReport { about: about(), component, total: Some(money("188")) };
    insta::assert_snapshot!(pretty(&component_json(&report)));
}

#[test]
fn coverage() {
    let part = Part { cost: Some(money("12")), share: Some(money("0.063829787234")), billed: None, billed_share: None };
    let line = UnclaimedLine {
        value: "it's".to_owned(),
        cost: Some(money("7")),
        share: Some(money("0.037234042553")),
        condition: "account = 'it''s'".to_owned(),
    };
    let unclaimed = Unclaimed { lines: vec![line], more: 1, rest: Some(money("5")) };
    let claimed = Claimed {
        about: about(),
        total: part,
        team: part,
        without_owner: part,
        in_pools: part,
        unallocated: part,
        component: part,
        environment: part,
        tags: vec![TagPart { key: TagKey::new("cost-center"), part }],
        accounts: unclaimed.clone(),
        services: unclaimed,
        resources: None,
    };
    insta::assert_snapshot!(pretty(&coverage_json(&claimed)));
}

#[test]
fn unit_costs() {
    let whose = UnitCostOf::Team(TeamId::new("payments"));
    let series = SeriesId::new("requests");
    let query = UnitCostQuery { whose, owned: owned(), series: Some(series.clone()), granularity: Granularity::Month };
    let row = |time: Option<&str>| UnitCostRow {
        time: time.map(|time| time.parse().expect("a time")),
        cost: Some(money("73")),
        units: Some(money("0.5")),
        unit_cost: Some(money("146")),
        unstated: vec![days("2026-10-01", "2026-10-05")],
    };
    let answer = UnitCost {
        about: about(),
        per: Per::Unit { series, unit: "thousand requests".to_owned() },
        rows: vec![row(Some("2026-10-01T00:00:00Z"))],
        total: UnitCostRow { units: None, unit_cost: None, ..row(None) },
    };
    insta::assert_snapshot!(pretty(&unit_cost_json(&query, &answer)));
}

#[test]
fn peers() {
    let among = Among {
        own: money("73.5"),
        quartile_1: money("62"),
        median: money("93"),
        quartile_3: money("100"),
        position: Position::Quartile1ToMedian,
    };
    let peers = Peers {
        about: about(),
        kind: "product".to_owned(),
        others: 5,
        people: Some(money("8.032258064516")),
        cost: among.clone(),
        cost_per_person: among,
    };
    insta::assert_snapshot!(pretty(&peers_json(&TeamId::new("payments"), PeersPeriod::LastMonth, &peers)));
}

#[test]
fn releases_and_events() {
    let event = Event {
        component: ComponentId::new("checkout"),
        kind: "release".to_owned(),
        version: "2.4.0".to_owned(),
        at: "2026-10-10T12:00:00Z".parse().expect("a time"),
        environment: Some("prod".to_owned()),
        url: None,
    };
    insta::assert_snapshot!(pretty(&events_json(std::slice::from_ref(&event), Some("7b7d".to_owned()))));
    let before = Window {
        days: Some(days("2026-10-03", "2026-10-10")),
        cost: Some(money("70")),
        cost_per_day: Some(money("10")),
    };
    let release = Release {
        event,
        before,
        after: Window { days: None, cost: None, cost_per_day: None },
        shortened: Some(Shortened::Incomplete),
        change: None,
        relative_change: None,
    };
    let query = ReleasesQuery { component: ComponentId::new("checkout"), owned: owned(), days: 7 };
    let releases = Releases { about: about(), releases: vec![release] };
    insta::assert_snapshot!(pretty(&releases_json(&query, &releases)));
}
