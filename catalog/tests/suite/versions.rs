//! A catalog that an earlier version left is opened by this one, and says what it said.
//!
//! `tests/fixtures/<version>/` holds one as the migrations up to that version left it, for both databases, and what it
//! answered. To add the next one, before a migration comes that changes what is stored:
//!
//! 1. `KEEP_TEST_CATALOGS=yes cargo test --workspace --test suite what_is_told_today -- --nocapture` says where it left them.
//! 2. `sqlite3 <file> .dump > sqlite.sql`, and
//!    `pg_dump --inserts --no-owner --no-privileges <address> | grep -v '^\\' > postgres.sql`.
//! 3. `answers.json` is what the same test prints when a fixture has none.
//!
//! Fixtures are never edited. A later answer may say more than an earlier one, never something else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outlay_catalog::{Catalog, ChangesQuery, DayFigures, Refusal, RefusedFigure, Run, RunsQuery};
use outlay_model::money::plain;
use outlay_model::part::{Reject, RunState};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::bill::{Bill, at};
use crate::place::Place;

crate::stories![what_earlier_versions_left_is_still_answered, what_is_told_today_is_answered_as_it_was];

/// A bit of everything: restatements, several sources and accounts, rejects, refusals, sweeps, and work under way.
async fn history(catalog: &Catalog) {
    Bill::new("p1").rejects(4).bring(catalog, 1).await.expect("commits");
    let days = [(1, 3, "4.5"), (2, 2, "-0.000000000000000001"), (31, 1, "99999999999.999999999999999999")];
    Bill::new("p2").days(&days).replaces("p1").bring(catalog, 2).await.expect("commits");
    let other = Bill::new("q1").of("gcp", "invoice 2026-10 'é\" \\").account(None, Some("0\u{1F4B8}1")).rejects(12);
    other.bring(catalog, 3).await.expect("commits");
    Bill::new("r1").of("unstated", "k").account(None, None).days(&[]).bring(catalog, 4).await.expect("commits");
    Bill::new("p3").days(&days[..2]).replaces("p2").bring(catalog, 5).await.expect("commits");
    // p1 is swept; p2 can still be read at its generation.
    let swept = catalog.sweepable(at(5), Duration::from_secs(180)).await.expect("sweeps");
    assert_eq!(swept.iter().map(|swept| swept.part.as_str()).collect::<Vec<_>>(), ["p1"]);
    catalog.swept(&swept[0].part).await.expect("is swept");

    let refused = Bill::new("p4").rejects(2);
    refused.intend(catalog).await;
    let figure = RefusedFigure {
        name: "rows".to_owned(),
        before: Some("5".to_owned()),
        after: "1".to_owned(),
        ..RefusedFigure::default()
    };
    let run = Run {
        state: RunState::Refused,
        finished_at: Some(at(6)),
        rejected: 2,
        message: Some("it shrank by 80 %".to_owned()),
        refused: Some(Refusal { reason: "it shrank".to_owned(), figures: vec![figure] }),
        ..refused.started(at(0))
    };
    catalog.finish_run(&run, &refused.all_rejects()).await.expect("finishes");
    catalog.abandon(&refused.part_id()).await.expect("gives up");
    // One run is under way.
    Bill::new("p5").intend(catalog).await;
}

/// Everything a catalog can be asked, as JSON.
async fn answers(catalog: &Catalog) -> Value {
    let figures = |figures: DayFigures| json!([figures.rows, figures.billed, figures.effective]);
    let balances = catalog.balances(None).await.expect("balances").into_iter().map(|(source, delivery, b)| {
        let amounts = [&b.source, &b.stored, &b.rejected, &b.rounding].map(plain);
        let (period, invoice, currency) = (b.key.billing_period, b.key.invoice, b.key.currency);
        json!({"source": source, "delivery": delivery, "of": [period, invoice, currency, b.metric], "amounts": amounts})
    });
    let changes = catalog.changes(&ChangesQuery::default(), 1000).await.expect("changes").into_iter().map(|c| {
        json!({
            "generation": c.generation, "at": c.at, "source": c.source, "delivery": c.delivery, "run": c.run, "day": c.day,
            "of": [c.provider, c.billing_account, Some(c.currency.as_str().to_owned())],
            "before": figures(c.before), "after": figures(c.after),
        })
    });
    let mut runs = Vec::new();
    for run in catalog.runs(&RunsQuery::default(), 1000).await.expect("runs") {
        let counts = catalog.reject_counts(&run.id).await.expect("counts").into_iter().map(|count| {
            let billed = plain(&count.billed);
            json!([count.reason.as_str(), count.currency, count.rows, count.unpriced, billed])
        });
        let kept = catalog.rejects(&run.id, 5000).await.expect("rejects");
        let first: Vec<_> = kept.iter().take(3).map(reject_answer).collect();
        runs.push(json!({
            "id": run.id, "source": run.source, "kind": run.kind, "state": run.state.as_str(), "delivery": run.delivery,
            "part": run.part, "started_at": run.started_at, "finished_at": run.finished_at, "rows": run.rows,
            "rejected": run.rejected, "unpriced": run.unpriced, "repairs": run.repairs, "message": run.message,
            "refused": run.refused, "counts": counts.collect::<Vec<_>>(), "kept": kept.len(), "first": first,
        }));
    }
    let mut generations = serde_json::Map::new();
    let last = catalog.generation().await.expect("reads");
    for generation in 0..=last {
        let parts = match catalog.snapshot_at(generation).await {
            Ok(snapshot) => json!(snapshot.parts),
            Err(error) => json!(error.to_string()),
        };
        generations.insert(generation.to_string(), parts);
    }
    assert_eq!(json!(catalog.snapshot().await.expect("reads").parts), generations[&last.to_string()]);
    json!({
        "generations": generations, "runs": runs,
        "balances": balances.collect::<Vec<_>>(), "changes": changes.collect::<Vec<_>>(),
    })
}

fn reject_answer(reject: &Reject) -> Value {
    let Reject { reason, file, line, column, value, key, costs, unpriced } = reject;
    let costs: Vec<_> = costs.iter().map(|(metric, cost)| (metric.as_str(), plain(cost))).collect();
    json!([reason.as_str(), file, line, column, value, key, costs, unpriced])
}

/// What stands to be done goes on: the open intent is committed, the abandoned one swept.
async fn goes_on(catalog: &Catalog) {
    let last = catalog.generation().await.expect("reads");
    assert_eq!(catalog.commit(Bill::new("p5").replaces("p3").commit(at(7))).await.expect("commits"), last + 1);
    let mut swept = Vec::new();
    for doomed in catalog.sweepable(at(7), Duration::ZERO).await.expect("sweeps") {
        swept.push(doomed.part.as_str().to_owned());
        assert_eq!(doomed.files.len(), 2, "{doomed:?}");
        catalog.swept(&doomed.part).await.expect("is swept");
    }
    assert_eq!(swept, ["p2", "p3", "p4"]);
}

async fn what_earlier_versions_left_is_still_answered(place: &Place) {
    for fixture in fixtures() {
        let site = place.site.another().await;
        let dump = fixture.join(format!("{}.sql", site.kind()));
        let dump = fs::read_to_string(&dump).unwrap_or_else(|error| panic!("{}: {error}", dump.display()));
        let mut conn = site.connect().await;
        conn.execute(AssertSqlSafe(dump)).await.expect("a dump");
        conn.close().await.expect("closes");
        let catalog = site.open().await;
        let found = answers(&catalog.catalog).await;
        check_answers(&fixture, &found);
        goes_on(&catalog.catalog).await;
    }
}

/// Told to a fresh catalog, the same history gives the same answers: migrating loses nothing and adds nothing.
async fn what_is_told_today_is_answered_as_it_was(place: &Place) {
    history(&place.catalog).await;
    let found = answers(&place.catalog).await;
    for fixture in fixtures() {
        check_answers(&fixture, &found);
    }
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let entries = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut fixtures: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    fixtures.sort();
    assert!(!fixtures.is_empty());
    fixtures
}

#[track_caller]
fn check_answers(fixture: &Path, found: &Value) {
    let text = fs::read_to_string(fixture.join("answers.json"));
    let text = text.unwrap_or_else(|_| panic!("{} lacks answers.json:\n{found:#}", fixture.display()));
    let wanted: Value = serde_json::from_str(&text).expect("JSON");
    if let Err(wrong) = says(found, &wanted) {
        panic!("{} at {wrong}", fixture.display());
    }
}

/// Whether everything that was said is still said. Objects may have got more keys.
fn says(found: &Value, wanted: &Value) -> Result<(), String> {
    let deeper = |key: &str, found: Option<&Value>, wanted: &Value| {
        let found = found.ok_or_else(|| format!("{key}: is missing"))?;
        says(found, wanted).map_err(|wrong| format!("{key}.{wrong}"))
    };
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().try_for_each(|(key, wanted)| deeper(key, found.get(key), wanted))
        }
        (Value::Array(found), Value::Array(wanted)) if found.len() == wanted.len() => {
            let mut pairs = found.iter().zip(wanted).enumerate();
            pairs.try_for_each(|(n, (found, wanted))| deeper(&n.to_string(), Some(found), wanted))
        }
        (found, wanted) if found == wanted => Ok(()),
        (found, wanted) => Err(format!(": {found} instead of {wanted}")),
    }
}
