mod reading;

use std::collections::BTreeMap;

use outlay_model::ownership::{Definition, Edit, Kind, Origin, Ownership, Since};

use super::*;

/// Applies a catalog of one file on a day, and gives what there is to tell.
fn apply(known: &mut Ownership, yaml: &str, since: &str) -> Vec<String> {
    apply_reading(known, &reading(yaml), since)
}

fn reading(yaml: &str) -> Reading {
    let mut reading = Reading::default();
    match documents::parse("c.yaml", yaml, &mut reading.notes) {
        Ok(entities) => reading.entities = entities,
        Err(note) => reading.unread.push(note),
    }
    reading
}

fn apply_reading(known: &mut Ownership, reading: &Reading, since: &str) -> Vec<String> {
    let since = Since::try_from(since.to_owned()).expect("a day");
    let planned = plan(reading, known, since);
    planned.edits.into_iter().for_each(|edit| known.edit(edit, Origin::Backstage));
    assert_eq!(known.problems(), []);
    assert_eq!(plan(reading, known, since).edits, [], "to read it again changes nothing");
    reading.unread.iter().chain(&planned.notes).map(Note::to_string).collect()
}

fn put(known: &mut Ownership, kind: Kind, name: &str, json: serde_json::Value, origin: Origin) {
    let definition = Definition::read(kind, json).expect("a definition");
    known.edit(Edit::Put { name: name.to_owned(), definition, place: None }, origin);
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("JSON")
}

fn rules(known: &Ownership) -> Vec<String> {
    let line = |(id, rule): &(outlay_model::RuleId, outlay_model::ownership::Rule)| {
        let to = rule.to.map(|to| to.to_string()).unwrap_or_default();
        format!("{id}: {}..{to} {} → {}", rule.from, rule.when.text(), json(&rule.team))
    };
    known.rules.iter().map(line).collect()
}

fn group(name: &str, rest: &str) -> String {
    format!("---\nkind: Group\nmetadata:\n  name: {name}\nspec:\n  profile: {{ email: {name}@x.example }}\n{rest}")
}

fn component(name: &str, owner: &str, annotations: &str) -> String {
    format!(
        "---\nkind: Component\nmetadata:\n  name: {name}\n  annotations: {{ {annotations} }}\nspec:\n  owner: {owner}\n"
    )
}

const SHOP: &str = "
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: Payments, title: The payments people, annotations: { outlay.dev/owner: user:ines } }
spec:
  type: team
  profile: { email: payments@x.example }
  parent: commerce
  members: [tom]
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: commerce }
spec: { type: department, profile: { displayName: Commerce }, children: [solo], members: [] }
---
kind: Group
metadata: { name: solo, namespace: Lab }
spec: { type: team, parent: group:default/PAYMENTS }
---
kind: User
metadata: { name: ines }
spec: { profile: { displayName: Ines Carvalho, email: ines@x.example }, memberOf: [group:default/payments, commerce] }
---
kind: User
metadata: { name: Tom }
spec: { memberOf: [payments] }
---
kind: User
metadata: { name: ada, title: Ada L }
spec: { memberOf: [Lab/solo] }
---
kind: System
metadata: { name: Shop }
spec: { owner: Payments }
---
kind: Component
metadata:
  name: checkout
  links: [{ url: 'https://x.example/runbook', title: Runbook }, { url: 'https://x.example/' }]
spec: { type: service, lifecycle: production, system: shop }
---
kind: Component
metadata: { name: probe }
spec: { owner: group:lab/solo, system: unheard-of }
---
kind: Component
metadata: { name: notebook, namespace: lab }
spec: { owner: user:default/ada }
---
kind: API
metadata: { name: not-ours }
spec: { definition: 'openapi: 3', owner: [whatever] }
";

#[test]
fn groups_become_teams_and_components_components() {
    let mut known = Ownership::default();
    assert_eq!(apply(&mut known, SHOP, "2026-11-28"), [] as [&str; 0]);
    let teams: BTreeMap<_, _> = known.teams.iter().map(|(id, team)| (id.as_str(), json(team))).collect();
    let expected = [
        ("Lab/solo", r#"{"owner":"Ada L","kind":"team","people":1,"parent":"Payments"}"#),
        (
            "Payments",
            r#"{"title":"The payments people","owner":"ines@x.example","kind":"team","people":2,"parent":"commerce","channels":["payments@x.example"]}"#,
        ),
        ("commerce", r#"{"title":"Commerce","owner":"ines@x.example","kind":"department","people":1}"#),
    ];
    assert_eq!(teams, expected.map(|(name, team)| (name, team.to_owned())).into());
    let components: BTreeMap<_, _> = known.components.iter().map(|(id, said)| (id.as_str(), json(said))).collect();
    let expected = [
        (
            "checkout",
            r#"{"team":"Payments","system":"Shop","links":{"Runbook":"https://x.example/runbook","https://x.example/":"https://x.example/"}}"#,
        ),
        ("lab/notebook", r#"{"team":"Lab/solo"}"#),
        ("probe", r#"{"team":"Lab/solo","system":"unheard-of"}"#),
    ];
    assert_eq!(components, expected.map(|(name, said)| (name, said.to_owned())).into());
    assert!(known.rules.is_empty());
}

#[test]
fn what_cannot_be_taken_is_told_and_the_rest_is_there() {
    let mut known = Ownership::default();
    put(&mut known, Kind::Team, "web", serde_json::json!({ "owner": "Jo" }), Origin::File);
    let yaml = [
        &group("a", "  parent: b\n"),
        &group("b", "  parent: a\n"),
        "---\nkind: Group\nmetadata: { name: nobody }\nspec: { members: [x, y] }\n",
        &group("web", ""),
        &group("A", ""),
        &component("orphan", "nobody", ""),
        &component("kept", "WEB", ""),
        &component("lost", "wep", ""),
        "---\nkind: Component\nmetadata: { name: bare }\n",
        &component("odd", "resource:x", ""),
        &component("number", "a", "infrawallet.io/account: 123456789012"),
        &component("no-category", "a", "infrawallet.io/category: Computing"),
        "---\nkind: Component\nmetadata: { name: shape }\nspec: { owner: [a] }\n",
        "---\njust: text\n",
        &group("unallocated", ""),
    ]
    .concat();
    insta::assert_snapshot!(apply(&mut known, &yaml, "ever").join("\n"));
    assert_eq!(known.teams.keys().map(|id| id.as_str()).collect::<Vec<_>>(), ["a", "b", "web"]);
    assert_eq!(known.components.keys().map(|id| id.as_str()).collect::<Vec<_>>(), ["kept", "no-category"]);
    assert_eq!(known.origin(Kind::Team, "web"), Some(Origin::File));
}

#[test]
fn annotations_are_conditions() {
    let check = |annotations: &str, expected: &str| {
        let yaml = group("a", "") + &component("c", "a", annotations);
        let mut known = Ownership::default();
        let notes = apply(&mut known, &yaml, "ever");
        let when = known.rules.first().map(|(_, rule)| rule.when.text().to_owned());
        assert_eq!(when.unwrap_or_else(|| notes.join("; ")), expected, "{annotations}");
    };
    check("infrawallet.io/service: 'Amazon EC2'", "service = 'Amazon EC2'");
    check(
        "infrawallet.io/account: '004512378891, bw-data', infrawallet.io/provider: AWS",
        "(provider IN ('AWS', 'Amazon Web Services') AND (account IN ('004512378891', 'bw-data') OR account_name IN \
         ('004512378891', 'bw-data')))",
    );
    check(
        "infrawallet.io/project: bw-models",
        "(provider IN ('Google Cloud', 'Google', 'Google Cloud Platform', 'GCP') AND (account = 'bw-models' OR \
         account_name = 'bw-models'))",
    );
    check(
        "infrawallet.io/project: Apps, infrawallet.io/provider: mongoatlas",
        "(provider IN ('MongoDB', 'MongoDB Atlas') AND (account = 'Apps' OR account_name = 'Apps'))",
    );
    check("infrawallet.io/category: 'database, Storage'", "service_category IN ('Databases', 'Storage')");
    check(
        "infrawallet.io/extra-filters: \"region: eu-west-1|eu-west-2, squad: it's\"",
        "(region IN ('eu-west-1', 'eu-west-2') AND tags.squad = 'it''s')",
    );
    check(
        "infrawallet.io/provider: azure, infrawallet.io/tags: \"app: a, app: b, cost-center: 42\"",
        "(provider IN ('Microsoft', 'Azure', 'Microsoft Azure') AND tags.app IN ('a', 'b') AND tags.\"cost-center\" = '42')",
    );
    check(
        "infrawallet.io/tags: 'app: a'",
        "c.yaml:8: component:default/c: the annotation infrawallet.io/tags needs infrawallet.io/provider beside it, as in \
         InfraWallet; its charges are not looked for",
    );
    check(
        "infrawallet.io/extra-filters: region",
        "c.yaml:8: component:default/c: the annotation infrawallet.io/extra-filters is not of the form \"key-x: value, \
         key-y: value\"; its charges are not looked for",
    );
    check("infrawallet.io/service: ''", "");
}

#[test]
fn more_conditions_go_first() {
    let yaml = [
        group("a", ""),
        component("z", "a", "infrawallet.io/account: '1', infrawallet.io/service: S"),
        component("y", "a", "infrawallet.io/service: S"),
        component("x", "a", "infrawallet.io/service: S"),
        component(
            "w",
            "a",
            "infrawallet.io/account: '1', infrawallet.io/service: S, infrawallet.io/extra-filters: 'region: r'",
        ),
    ]
    .concat();
    let mut known = Ownership::default();
    put(
        &mut known,
        Kind::Rule,
        "mine",
        serde_json::json!({ "from": "ever", "when": "TRUE", "environment": "x" }),
        Origin::Api,
    );
    apply(&mut known, &yaml, "ever");
    let order: Vec<&str> = known.rules.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(order, ["mine", "backstage:w", "backstage:z", "backstage:x", "backstage:y"]);
}

#[test]
fn what_changes_holds_from_the_day_it_is_read_on() {
    let first = group("a", "  members: [x, y]\n") + &group("b", "") + &component("c", "a", "infrawallet.io/service: S");
    let mut known = Ownership::default();
    apply(&mut known, &first, "2026-11-01");
    assert_eq!(rules(&known), [r#"backstage:c: ever.. service = 'S' → "a""#], "the first time it holds since ever");

    // The group has grown, the component has gone to another, and there is a new one.
    let second = group("a", "  members: [x, y, z]\n")
        + &group("b", "")
        + &component("c", "b", "infrawallet.io/service: S")
        + &component("d", "b", "infrawallet.io/service: D");
    apply(&mut known, &second, "2026-11-10");
    assert_eq!(json(&known.teams["a"].people), r#"[{"is":2},{"from":"2026-11-10","is":3}]"#);
    assert_eq!(json(&known.components["c"].team), r#"[{"is":"a"},{"from":"2026-11-10","is":"b"}]"#);
    assert_eq!(json(&known.components["d"].team), r#"[{"from":"2026-11-10","is":"b"}]"#);
    let expected = [
        r#"backstage:c: 2026-11-10.. service = 'S' → "b""#,
        r#"backstage:c until 2026-11-10: ever..2026-11-10 service = 'S' → "a""#,
        r#"backstage:d: 2026-11-10.. service = 'D' → "b""#,
    ];
    assert_eq!(rules(&known), expected);

    // On the same day it is all taken back: what never held on a whole day leaves no trace.
    apply(&mut known, &first, "2026-11-10");
    assert_eq!(json(&known.teams["a"].people), r#"{"is":2}"#.replace("{\"is\":2}", "2"));
    assert_eq!(json(&known.components["c"].team), r#""a""#);
    assert!(rules(&known).iter().all(|rule| !rule.contains("backstage:d")), "{:?}", rules(&known));

    // What is no longer said ends; what was stays.
    apply(&mut known, &group("a", "  members: [x, y]\n"), "2026-11-20");
    assert_eq!(json(&known.components["c"].team), r#""a""#);
    assert!(known.teams.contains_key("b"));
    assert!(rules(&known).iter().all(|rule| rule.contains("..2026-11-")), "{:?}", rules(&known));

    // Unless somebody asks for it.
    apply(&mut known, &group("a", ""), "ever");
    assert_eq!((known.teams.len(), known.components.len(), known.rules.len()), (1, 0, 0));
}

#[test]
fn what_cannot_be_read_does_not_end() {
    let all = group("a", "") + &component("c", "a", "infrawallet.io/service: S") + &component("d", "a", "");
    let mut known = Ownership::default();
    apply(&mut known, &all, "ever");
    let before = known.clone();
    // The annotation is broken: nobody knows what the rule would be.
    let broken = group("a", "") + &component("c", "a", "infrawallet.io/category: Nonsense") + &component("d", "a", "");
    apply(&mut known, &broken, "2026-11-20");
    assert_eq!(known, before);
    let number = all.replace("infrawallet.io/service: S", "infrawallet.io/account: 1");
    apply(&mut known, &number, "2026-11-20");
    assert_eq!(known, before);
    // Nobody answers for the group any more.
    apply(&mut known, &all.replace("a@x.example", "''"), "2026-11-20");
    assert_eq!(known, before);
    // A file is missing.
    let mut in_part = reading(&group("a", ""));
    in_part.unread.push(Note { file: "d.yaml".to_owned(), line: None, text: "cannot be read".to_owned() });
    for since in ["2026-11-20", "ever"] {
        apply_reading(&mut known, &in_part, since);
        assert_eq!(known, before);
    }
}
