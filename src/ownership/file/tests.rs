use std::fs;
use std::path::Path;

use outlay_model::ownership::{Edit, Kind, Origin, Ownership};

use super::*;

fn file(text: &str) -> File {
    File::parse(Path::new("ownership.toml"), text).unwrap_or_else(|error| panic!("{error}"))
}

/// What the API says already.
fn known() -> Ownership {
    let mut known = Ownership::default();
    for (kind, name, json) in [
        (Kind::Team, "platform", serde_json::json!({ "owner": "Dan" })),
        (Kind::Map, "spellings", serde_json::json!({ "payments": ["pay"] })),
    ] {
        let definition = Definition::read(kind, json).expect("a definition");
        known.edit(Edit::Put { name: name.to_owned(), definition, place: None }, Origin::Api);
    }
    known
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let error = match File::parse(Path::new("ownership.toml"), text) {
        Ok(file) => file.said(&known()).map(<[_]>::to_vec).expect_err("there are problems"),
        Err(error) => error,
    };
    assert_eq!(error.problems.iter().map(Problem::to_string).collect::<Vec<_>>(), expected);
}

const RULE: &str = "[[rule]]\nname = 'r'\nfrom = 'ever'\n";

#[test]
fn the_example_says_all_there_is_to_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/ownership.example.toml");
    let file = File::read(&path).unwrap_or_else(|error| panic!("{error}"));
    let said = file.said(&Ownership::default()).unwrap_or_else(|error| panic!("{error}"));
    let mut ownership = Ownership::default();
    for edit in ownership.edits_to(Origin::File, said.to_vec()) {
        ownership.edit(edit, Origin::File);
    }
    assert!(ownership.edits_to(Origin::File, said.to_vec()).is_empty(), "to say it again changes nothing");
    let rules: Vec<&str> = ownership.rules.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(
        rules,
        ["network-is-shared", "ci-is-shared", "cost-centers", "team-names", "accounts", "october-load-test"],
        "in the order they are written in"
    );
    assert!(Kind::ALL.iter().all(|kind| said.iter().any(|(_, definition)| definition.kind() == *kind)));
    let example: toml::Value = fs::read_to_string(&path).expect("reads").parse().map(toml::Value::Table).expect("TOML");
    let schema: serde_json::Value = serde_json::from_str(&schema()).expect("JSON");
    for (name, section) in [("Team", "team"), ("Component", "component"), ("Pool", "pool"), ("Series", "series")] {
        let all = example[section].as_table().expect("a table").values();
        shows_every_key(&schema["$defs"][name], &all.collect::<Vec<_>>());
    }
    shows_every_key(
        &schema["$defs"]["NamedRule"],
        &example["rule"].as_array().expect("rules").iter().collect::<Vec<_>>(),
    );
}

fn shows_every_key(schema: &serde_json::Value, examples: &[&toml::Value]) {
    for key in schema["properties"].as_object().expect("an object").keys() {
        assert!(examples.iter().any(|example| example.get(key).is_some()), "the example does not show {key}");
    }
}

#[test]
fn the_checked_in_schema_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/ownership.schema.json");
    let checked_in = fs::read_to_string(path).unwrap_or_default();
    assert!(
        checked_in == schema(),
        "run `outlay rules schema > config/ownership.schema.json` and look at what changed"
    );
}

#[test]
fn a_rule_that_cannot_be_is_refused_with_its_place() {
    refused(
        &format!("{RULE}when = \"service = 'x' AND (region ~ 'y')\"\nteam = 'platform'\n"),
        &[
            "ownership.toml:4: rule.when: region ~ 'y' cannot be used here; use =, <>, IN, LIKE, IS NULL, AND, OR and NOT over \
           dimensions and 'quoted' values at position 20",
        ],
    );
    refused(
        &format!("{RULE}when = 'TRUE'\nteam = 'Platform'\n"),
        &["ownership.toml:5: rule.team: there is no team \"Platform\" (but \"platform\"); add it first"],
    );
    refused(
        "[[rule]]\nname = 'r'\nfrom = '2026-02-30'\nto = '31 March'\nwhen = 'TRUE'\nteam = 'platform'\n",
        &[
            "ownership.toml:3: rule.from: \"2026-02-30\" is not a day such as 2026-10-01, nor \"ever\"",
            "ownership.toml:4: rule.to: is not a date; write one such as \"2026-01-31\"",
        ],
    );
    refused(
        "[[rule]]\nname = 'r'\nfrom = 2026-10-01\nto = 2026-10-01\nwhen = \"team = 'a'\"\nteam = { from = 'account_name', capture = '(', map = 'none' }\n",
        &[
            "ownership.toml:4: rule.to: 2026-10-01 is not after from (2026-10-01); to is the day after the last",
            "ownership.toml:5: rule.when: team is what rules decide, so none can ask for it; ask for tags, accounts, services",
            "ownership.toml:6: rule.team.capture: unclosed group at position 1",
            "ownership.toml:6: rule.team.map: there is no map \"none\"; add it first",
        ],
    );
    refused(
        &format!(
            "{RULE}when = 'TRUE'\nteam = {{ from = 'tagz.x' }}\n{RULE}when = 'TRUE'\nteam = 5\nenvironment = {{ form = 'region' }}\n"
        ),
        &[
            "ownership.toml:5: rule.team.from: \"tagz.x\" is not a dimension; use provider, seller, billing_account, account, \
             account_name, service, service_category, region, resource, resource_type, sku, usage_type, charge_category, \
             charge_class, pricing_category, commitment, billing_period, invoice, currency, source, team, department, owner, \
             component, environment, rule, tags.<key> or tags.\"odd key\"",
            "ownership.toml:7: rule.name: another rule above is called \"r\"; give each its own name",
            "ownership.toml:10: rule.team: invalid type: integer `5`, expected a name, or where it is taken from",
            "ownership.toml:11: rule.environment.form: is not a key; did you mean rule.environment.from?",
        ],
    );
}

#[test]
fn everything_is_told_at_once_and_one_mistake_once() {
    refused(
        "[team.payments]\nowner = 5\n[team.search]\nowner = 'Mei'\nparent = 'payments'\npeopel = 3\npeople = 'many'\n\
         [team.web]\nowner = 'Jo'\nparent = 'nobody'\n[component.api]\n[teams.x]\nowner = 'X'\n\
         [pool.net]\nsplit = { evan = ['web'] }\n[[rule]]\nname = 'net'\nfrom = 'ever'\nwhen = 'TRUE'\npool = 'net'\n",
        &[
            "ownership.toml:2: team.payments.owner: invalid type: number, expected a string",
            "ownership.toml:6: team.search.peopel: is not a key; did you mean team.search.people?",
            "ownership.toml:7: team.search.people: invalid type: string \"many\", expected a whole number",
            "ownership.toml:10: team.web.parent: there is no team \"nobody\"; add it first",
            "ownership.toml:11: component.api: missing field `team`",
            "ownership.toml:12: teams: is not a key; did you mean team?",
            "ownership.toml:15: pool.net.split: unknown variant `evan`, expected one of `even`, `fixed`, `spend`, `metric`",
        ],
    );
    refused(
        "[team.payments]\nowner = [\n  { is = 'Ines' },\n  { from = '2026-13-01', is = 'Tom' },\n]\n",
        &["ownership.toml:2: team.payments.owner: is not a date; write one such as \"2026-01-31\""],
    );
    refused(
        "[team.payments]\nowner = [{ from = '2026-10-01', is = 'Ines' }, { from = '2026-09-01', is = 'Tom' }]\n",
        &["ownership.toml:2: team.payments.owner: from = 2026-09-01 is not after the entry before it"],
    );
    refused(
        "[team.payments]\nowner = 'Ines'\n[team.payments]\nowner = ''\n",
        &["ownership.toml:3: is not TOML: duplicate key", "ownership.toml:4: is not TOML: duplicate key"],
    );
}

#[test]
fn a_circle_is_refused_with_its_place() {
    refused(
        "[team.a]\nowner = 'A'\nparent = 'b'\n[team.b]\nowner = 'B'\nparent = 'a'\n",
        &["ownership.toml:3: team.a.parent: it is its own parent: a → b → a"],
    );
}

#[test]
fn what_others_say_is_theirs_and_stays_whole() {
    refused(
        "[team.platform]\nowner = 'Dan'\n",
        &["ownership.toml:1: team.platform: is said by the API or the command line already; remove it there, or here"],
    );
    let mut known = known();
    let apply = |text: &str, known: &mut Ownership| {
        let said = file(text).said(known)?.to_vec();
        known.edits_to(Origin::File, said).into_iter().for_each(|edit| known.edit(edit, Origin::File));
        Ok::<_, FileError>(())
    };
    apply("[team.payments]\nowner = 'Ines'\nparent = 'platform'\n", &mut known).expect("applies");
    let rule = serde_json::json!({ "from": "ever", "when": "TRUE", "team": "payments" });
    let definition = Definition::read(Kind::Rule, rule).expect("a rule");
    known.edit(Edit::Put { name: "mine".to_owned(), definition, place: None }, Origin::Api);
    let error = apply("", &mut known).expect_err("a rule of the API needs the team");
    assert_eq!(
        error.to_string(),
        "who owns what stays as it is: the ownership file has a problem\n  \
         ownership.toml: rule \"mine\", team: there is no team \"payments\"; add it first"
    );
}
