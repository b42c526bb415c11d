//! A Backstage catalog of fifty components: it loads, and its owners get their costs.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use chrono::NaiveDate;
use common::{House, bill};
use outlay::ownership::backstage::{Request, of_place};
use outlay_collectors::backstage::Note;
use outlay_model::ownership::{Kind, Since};
use tokio_util::sync::CancellationToken;

const COMPONENTS: usize = 50;
const GROUPS: [&str; 5] = ["payments", "checkout", "search", "web", "platform"];

/// The group of a component, and how its charges are found.
fn owner(number: usize) -> &'static str {
    GROUPS[number % GROUPS.len()]
}

/// The catalog: groups and users in one file, systems in another, components in a folder of each group.
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut teams = String::new();
    for group in GROUPS {
        write!(
            teams,
            "---\napiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: {group}\n  annotations: {{ outlay.dev/owner: \
             'user:{group}-lead' }}\nspec:\n  type: team\n  parent: company\n  children: []\n---\nkind: User\nmetadata: {{ name: \
             {group}-lead }}\nspec: {{ profile: {{ email: lead@{group}.example }}, memberOf: [{group}] }}\n"
        )
        .expect("writes");
    }
    teams.push_str(
        "---\nkind: Group\nmetadata: { name: company }\nspec: { type: company, profile: { email: all@x.example } }\n",
    );
    files.insert("org/catalog-info.yaml".to_owned(), teams);
    let systems = GROUPS.map(|group| {
        format!("---\nkind: System\nmetadata: {{ name: {group}-system }}\nspec: {{ owner: group:default/{group} }}\n")
    });
    files.insert("systems/catalog-info.yml".to_owned(), systems.concat());
    for number in 0..COMPONENTS {
        let group = owner(number);
        // Every third is found by its account, every third by a tag, and the rest by its name in the component's tag. Every second
        // has no owner of its own, and its system's.
        let annotations = match number % 3 {
            0 => format!("infrawallet.io/account: 'account-{number}'"),
            1 => format!("infrawallet.io/provider: aws, infrawallet.io/tags: 'app-id: app-{number}'"),
            _ => "unrelated: 'yes'".to_owned(),
        };
        let whose = match number % 2 {
            0 => format!("system: {group}-system"),
            _ => format!("owner: {}", group.to_uppercase()),
        };
        let component = format!(
            "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: component-{number}\n  annotations: {{ \
             {annotations} }}\nspec: {{ type: service, lifecycle: production, {whose} }}\n"
        );
        files.entry(format!("services/{group}/catalog-info.yaml")).or_insert_with(String::new).push_str(&component);
    }
    files
}

/// A charge of each component on a day, of as many dollars as its number, and a little.
fn charges(day: &str) -> String {
    let rows: Vec<Vec<(&str, String)>> = (0..COMPONENTS)
        .map(|number| {
            let tags = match number % 3 {
                0 => "{}".to_owned(),
                1 => format!(r#"{{"app-id":"app-{number}"}}"#),
                _ => format!(r#"{{"component":"component-{number}"}}"#),
            };
            vec![
                ("SubAccountId", format!("account-{number}")),
                ("Tags", tags),
                ("EffectiveCost", format!("{}.0000000001", number + 1)),
                ("ChargePeriodStart", format!("{day}T00:00:00Z")),
                ("ChargePeriodEnd", format!("{day}T01:00:00Z")),
                ("BillingPeriodStart", format!("{}-01T00:00:00Z", &day[..7])),
                ("BillingPeriodEnd", format!("{}-01T00:00:00Z", if day < "2026-11" { "2026-11" } else { "2026-12" })),
            ]
        })
        .collect();
    let rows: Vec<Vec<(&str, &str)>> =
        rows.iter().map(|row| row.iter().map(|(column, cell)| (*column, cell.as_str())).collect()).collect();
    bill(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// What each group's components cost.
fn expected(owner: impl Fn(usize) -> &'static str) -> BTreeMap<String, String> {
    let mut sums: BTreeMap<String, u128> = BTreeMap::new();
    for number in 0..COMPONENTS {
        *sums.entry(owner(number).to_owned()).or_default() += (number as u128 + 1) * 10_u128.pow(10) + 1;
    }
    let told =
        |sum: u128| format!("{}.{:010}", sum / 10_u128.pow(10), sum % 10_u128.pow(10)).trim_end_matches('0').to_owned();
    sums.into_iter().map(|(group, sum)| (group, told(sum))).collect()
}

struct Catalog {
    house: House,
    since: Since,
}

impl Catalog {
    fn write(&self, files: &BTreeMap<String, String>) {
        for (name, text) in files {
            let path = self.house.folder.path().join("catalog").join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
            fs::write(path, text).expect("writes");
        }
    }

    /// Reads it, applies it, and settles; how many changes there were, and what was told.
    async fn import(&self, in_part: bool) -> anyhow::Result<(usize, Vec<String>)> {
        let place = self.house.folder.path().join("catalog").display().to_string();
        let mut request = Request::of(&self.house.app, &place)?;
        (request.since, request.in_part) = (self.since, in_part);
        let planned = of_place(&self.house.app, &request, &CancellationToken::new()).await?;
        planned.make(&self.house.app).await?;
        let settled = outlay::pipeline::settle(&self.house.app, &CancellationToken::new(), &|_| {}).await?;
        assert!(settled.is_done(), "{settled:?}");
        let told = |note: &Note| note.to_string().replace(&format!("{place}/"), "");
        Ok((planned.changes.len(), planned.notes.iter().map(told).collect()))
    }

    async fn by_team(&self, day: &str) -> BTreeMap<String, String> {
        let next = day.parse::<NaiveDate>().expect("a day").succ_opt().expect("a day").to_string();
        self.house.groups(&[("group_by", "team"), ("from", day), ("to", &next)]).await
    }
}

#[tokio::test]
async fn fifty_components_load_and_their_owners_get_their_costs() {
    let mut catalog = Catalog { house: House::new().await, since: Since::Day("2026-11-10".parse().expect("a day")) };
    let mut files = files();
    catalog.write(&files);
    catalog.house.import("aws", "october.csv", &charges("2026-10-05")).await;
    assert_eq!(
        catalog.by_team("2026-10-05").await,
        BTreeMap::from([("unallocated".to_owned(), "1275.000000005".to_owned())])
    );

    let (changes, notes) = catalog.import(false).await.expect("imports");
    assert_eq!(notes, [] as [&str; 0]);
    // Groups and the company, components, and two thirds of them found by annotations.
    assert_eq!(changes, GROUPS.len() + 1 + COMPONENTS + (COMPONENTS * 2).div_ceil(3));
    let ownership = catalog.house.app.catalog.snapshot().await.expect("reads").ownership.clone();
    assert_eq!(ownership.components.len(), COMPONENTS);
    assert_eq!(ownership.teams["search"].owner.last().map(String::as_str), Some("lead@search.example"));
    assert_eq!(catalog.by_team("2026-10-05").await, expected(owner));
    let rules = catalog.house.groups(&[("group_by", "rule"), ("period", "2026-10")]).await;
    assert_eq!(rules["backstage:component-0"], "1.0000000001", "found by its account");
    assert_eq!(rules["component:component-2"], "3.0000000001", "found by its own tag");
    let by_owner =
        catalog.house.groups(&[("group_by", "component"), ("filter", "team = 'web'"), ("period", "2026-10")]).await;
    assert!(by_owner.len() == 10 && by_owner.contains_key("component-3"), "{by_owner:?}");
    assert_eq!(catalog.import(false).await.expect("imports").0, 0, "to read it again changes nothing");

    // A component goes to another group: that holds from the day it is read on.
    catalog.house.import("aws", "november.csv", &charges("2026-11-20")).await;
    let services = files.get_mut("services/payments/catalog-info.yaml").expect("a file");
    *services = services.replace(
        "name: component-5\n  annotations: { unrelated: 'yes' }\nspec: { type: service, lifecycle: production, owner: PAYMENTS }",
        "name: component-5\n  annotations: { unrelated: 'yes' }\nspec: { type: service, lifecycle: production, owner: web }",
    );
    assert!(services.contains("owner: web"));
    *services = services.replace(
        "component-15\n  annotations: { infrawallet.io/account: 'account-15' }",
        "component-15\n  annotations: { infrawallet.io/account: 'account-15, x' }",
    );
    *services = services.replace("owner: PAYMENTS", "owner: search");
    catalog.write(&files);
    catalog.import(false).await.expect("imports");
    assert_eq!(catalog.by_team("2026-10-05").await, expected(owner), "October stays as it was");
    let moved = |number: usize| match (owner(number), number) {
        ("payments", 5) => "web",
        ("payments", odd) if odd % 2 == 1 => "search",
        (group, _) => group,
    };
    assert_eq!(catalog.by_team("2026-11-20").await, expected(moved));

    // A file that cannot be read takes nothing away.
    let good = files["services/web/catalog-info.yaml"].clone();
    files.insert("services/web/catalog-info.yaml".to_owned(), good.clone() + "---\nkind: [\n");
    catalog.write(&files);
    let error = catalog.import(false).await.expect_err("cannot be read").to_string();
    assert!(error.contains("services/web/catalog-info.yaml:") && error.contains("--accept-partial"), "{error}");
    let (changes, notes) = catalog.import(true).await.expect("imports");
    assert_eq!((changes, notes.len()), (0, 1), "{notes:?}");
    assert_eq!(catalog.by_team("2026-11-20").await, expected(moved));

    // Asked to, it makes all days as the catalog says.
    files.insert("services/web/catalog-info.yaml".to_owned(), good);
    catalog.write(&files);
    catalog.since = Since::Ever;
    catalog.import(false).await.expect("imports");
    assert_eq!(catalog.by_team("2026-10-05").await, expected(moved));
    let audit = catalog.house.app.catalog.audit(&Default::default(), 500).await.expect("reads");
    assert!(audit.iter().any(|(_, change)| change.kind == Kind::Component && change.name == "component-5"));
}
