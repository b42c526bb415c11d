//! A job is done by one replica at a time, and one that has lost it can do no harm.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_catalog::{Catalog, CatalogError, JobsQuery, Wanted, Which};
use outlay_model::part::Force;
use outlay_model::{DateRange, Fence, Job, JobId, JobProgress, JobState, Request, RequestedBy, Role};

use crate::bill::{Bill, at, source};
use crate::place::Place;
use crate::sources::configure;

crate::stories![
    a_tick_is_taken_up_once,
    ticks_that_come_together_are_one_job,
    a_second_request_is_the_one_that_waits,
    jobs_are_taken_on_in_turn_one_of_each_source,
    a_job_is_taken_on_once_whoever_asks,
    a_lease_that_ended_is_over,
    a_job_that_was_taken_over_commits_nothing_more,
    a_job_that_is_given_back_waits_again,
    a_job_that_is_over_stays_over,
    old_jobs_are_forgotten,
    an_interrupted_claim_leaves_the_job_for_others,
];

const NO_PROGRESS: JobProgress = JobProgress { listed: 0, skipped: 0, done: 0, failed: 0 };

pub fn wanted(id: &str, name: &str) -> Wanted {
    Wanted { id: JobId::new(id), source: source(name), by: RequestedBy::Api, request: Request::default() }
}

fn range(from: &str, to: &str) -> DateRange {
    let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
    DateRange::new(day(from), day(to)).expect("not empty")
}

async fn sources(catalog: &Catalog, names: &[&str]) {
    let sources: Vec<_> = names.iter().map(|name| (*name, Role::Primary)).collect();
    configure(catalog, &sources).await.expect("records");
}

async fn claim(catalog: &Catalog, holder: &str, minute: i64) -> Option<Job> {
    let known: Vec<_> = catalog.sources().await.expect("reads").into_iter().map(|known| known.source.name).collect();
    catalog.claim(Which::Of(&known), holder, at(minute), at(minute + 5)).await.expect("asks")
}

async fn state(catalog: &Catalog, id: &str) -> JobState {
    catalog.job(&JobId::new(id)).await.expect("reads").expect("is there").state
}

async fn a_tick_is_taken_up_once(place: &Place) {
    let (one, two) = (place.catalog.clone(), place.replica().await);
    sources(&one, &["aws"]).await;
    for minute in 0..10 {
        let tick = async |catalog: &Catalog, id: &str| {
            // With jitter each replica says it at another time; the schedule's time is the same.
            let now = at(minute) + chrono::TimeDelta::seconds(7);
            let id = JobId::new(format!("{id}{minute}"));
            catalog.tick(&source("aws"), at(minute), id, now).await.expect("ticks")
        };
        let (a, b) = tokio::join!(tick(&one, "a"), tick(&two, "b"));
        let job = match (a, b) {
            (Some(job), None) | (None, Some(job)) => job,
            other => panic!("{other:?}"),
        };
        assert_eq!((job.requested_by, job.state), (RequestedBy::Schedule, JobState::Queued));
        assert!(tick(&two, "late").await.is_none(), "it has been taken up");
        let taken = claim(&one, "one", minute).await.expect("is there");
        assert_eq!(taken.id, job.id);
        one.finish_job(&taken.fence(), JobState::Done, NO_PROGRESS, None, at(minute)).await.expect("ends");
    }
    assert_eq!(one.jobs(&JobsQuery::default(), 99).await.expect("reads").len(), 10);
    // A time that is over does not come again, whatever replica thinks so.
    assert!(two.tick(&source("aws"), at(3), JobId::new("x"), at(99)).await.expect("ticks").is_none());
    assert_eq!(one.sources().await.expect("reads")[0].last_tick, Some(at(9)));
    let error = two.tick(&source("gcp"), at(3), JobId::new("x"), at(99)).await.expect_err("is unknown");
    assert!(matches!(error, CatalogError::NotConfigured { .. }), "{error}");
    two.close().await;
}

async fn ticks_that_come_together_are_one_job(place: &Place) {
    let catalog = &place.catalog;
    sources(catalog, &["aws"]).await;
    let tick = async |minute: i64| {
        let id = JobId::new(format!("j{minute}"));
        catalog.tick(&source("aws"), at(minute), id, at(minute)).await.expect("ticks").expect("is new")
    };
    assert_eq!(tick(1).await.id.as_str(), "j1");
    assert_eq!(tick(2).await.id.as_str(), "j1", "it has not begun: it does for both");
    assert_eq!(claim(catalog, "one", 2).await.expect("is there").id.as_str(), "j1");
    assert_eq!(tick(3).await.id.as_str(), "j3", "what is under way may have looked before");
    assert_eq!(tick(4).await.id.as_str(), "j3");
}

async fn a_second_request_is_the_one_that_waits(place: &Place) {
    let catalog = &place.catalog;
    sources(catalog, &["aws"]).await;
    let ask = async |id: &str, window: Option<DateRange>, shrink: bool, rejects: bool| {
        let request = Request { window, force: Force { shrink, rejects } };
        let wanted = Wanted { request, ..wanted(id, "aws") };
        catalog.request(&wanted, at(0)).await.expect("asks")
    };
    let first = ask("j1", Some(range("2026-03-05", "2026-03-07")), true, false).await;
    let second = ask("j2", Some(range("2026-03-06", "2026-04-01")), false, true).await;
    assert_eq!(second.id, first.id);
    let both = Force { shrink: true, rejects: true };
    assert_eq!(second.request, Request { window: Some(range("2026-03-05", "2026-04-01")), force: both });
    // The source reads October and November again by itself (today is 2026-11-21).
    let third = ask("j3", None, false, false).await;
    assert_eq!(third.request, Request { window: Some(range("2026-03-05", "2026-11-22")), force: both });
    assert_eq!(catalog.job(&first.id).await.expect("reads"), Some(third));
    assert_eq!(
        catalog.jobs(&JobsQuery { source: Some(source("aws")), before: None }, 9).await.expect("reads").len(),
        1
    );

    // The other way round, and twice the usual.
    let first = claim(catalog, "one", 0).await.expect("is there");
    assert_eq!(ask("j4", None, false, false).await.request, Request::default());
    assert_eq!(ask("j5", None, false, false).await.request, Request::default());
    let asked = ask("j6", Some(range("2026-11-01", "2026-12-01")), false, false).await;
    assert_eq!((asked.id.as_str(), asked.request.window), ("j4", Some(range("2026-10-01", "2026-12-01"))));
    assert_ne!(first.id, asked.id, "what is under way is not changed");
}

async fn jobs_are_taken_on_in_turn_one_of_each_source(place: &Place) {
    let catalog = &place.catalog;
    sources(catalog, &["a", "b", "c"]).await;
    for (minute, (id, name)) in [("j1", "b"), ("j2", "a"), ("j3", "c")].into_iter().enumerate() {
        catalog.request(&wanted(id, name), at(minute as i64)).await.expect("asks");
    }
    let taken = claim(catalog, "one", 3).await.expect("is there");
    assert_eq!((taken.id.as_str(), taken.fence, taken.holder.as_deref()), ("j1", 1, Some("one")));
    assert_eq!((taken.started_at, taken.expires_at), (Some(at(3)), Some(at(8))));
    // Whoever knows only c takes on none of a.
    let only_c = catalog.claim(Which::Of(&[source("c")]), "three", at(3), at(4)).await.expect("asks");
    let only_c = only_c.expect("is there");
    assert_eq!(only_c.id.as_str(), "j3");
    catalog.release_job(&only_c.fence(), NO_PROGRESS, at(3)).await.expect("gives back");
    assert_eq!(catalog.claim(Which::Of(&[]), "three", at(3), at(4)).await.expect("asks"), None);
    // Another of b waits until this one is over.
    catalog.request(&wanted("j4", "b"), at(4)).await.expect("asks");
    let mut others = vec![];
    while let Some(job) = claim(catalog, "two", 4).await {
        others.push(job.id.as_str().to_owned());
    }
    assert_eq!(others, ["j2", "j3"]);
    let four = JobId::new("j4");
    assert_eq!(catalog.claim(Which::Only(&four), "two", at(4), at(9)).await.expect("asks"), None);
    catalog.finish_job(&taken.fence(), JobState::Failed, NO_PROGRESS, Some("no\0pe"), at(5)).await.expect("ends");
    assert_eq!(
        catalog.claim(Which::Only(&four), "two", at(5), at(9)).await.expect("asks").map(|job| job.id),
        Some(four)
    );
    let failed = catalog.job(&taken.id).await.expect("reads").expect("is there");
    assert_eq!((failed.state, failed.message.as_deref()), (JobState::Failed, Some("no\u{2400}pe")));
    assert_eq!((failed.finished_at, failed.expires_at), (Some(at(5)), None));
    let newest: Vec<_> =
        catalog.jobs(&JobsQuery::default(), 2).await.expect("reads").into_iter().map(|job| job.id).collect();
    assert_eq!(newest, [JobId::new("j4"), JobId::new("j3")]);
}

async fn claim_all(catalog: Catalog, holder: &'static str, minute: i64) -> Vec<Job> {
    let mut taken = Vec::new();
    while let Some(job) = claim(&catalog, holder, minute).await {
        taken.push(job);
    }
    taken
}

async fn a_job_is_taken_on_once_whoever_asks(place: &Place) {
    let (one, two) = (place.catalog.clone(), place.replica().await);
    sources(&one, &["a", "b", "c", "d", "e"]).await;
    for round in 0..5 {
        for name in ["a", "b", "c", "d", "e"] {
            one.request(&wanted(&format!("{name}{round}"), name), at(round)).await.expect("asks");
        }
        let (a, b) = tokio::join!(
            tokio::spawn(claim_all(one.clone(), "one", round)),
            tokio::spawn(claim_all(two.clone(), "two", round))
        );
        let mut taken = a.expect("no panic");
        taken.extend(b.expect("no panic"));
        // One that was beaten to a job may have gone away while others were left.
        while let Some(job) = claim(&one, "one", round).await {
            taken.push(job);
        }
        let ids: BTreeSet<_> = taken.iter().map(|job| job.id.clone()).collect();
        assert_eq!((taken.len(), ids.len()), (5, 5), "each once");
        for job in taken {
            two.finish_job(&job.fence(), JobState::Done, NO_PROGRESS, None, at(round)).await.expect("ends");
        }
    }
    two.close().await;
}

async fn a_lease_that_ended_is_over(place: &Place) {
    let catalog = &place.catalog;
    sources(catalog, &["aws"]).await;
    catalog.request(&wanted("j1", "aws"), at(0)).await.expect("asks");
    let job = claim(catalog, "one", 0).await.expect("is there");
    let progress = JobProgress { listed: 7, skipped: 3, done: 2, failed: 1 };
    catalog.renew_job(&job.fence(), progress, at(4), at(9)).await.expect("is in time");
    assert_eq!(catalog.job(&job.id).await.expect("reads").expect("is there").progress, progress);
    assert_eq!(claim(catalog, "two", 8).await, None);

    // Too late for anything, although nobody else has taken it on.
    let lost = "was left without a sign of life until its lease ended at 08:09:00";
    let check = |error: CatalogError| {
        assert!(matches!(error, CatalogError::LeaseLost { .. }), "{error:?}");
        let rest = "nothing was committed, and whoever takes the job on next does the rest";
        assert_eq!(error.to_string(), format!("job j1 {lost}; {rest}"));
    };
    let fence = job.fence();
    check(catalog.renew_job(&fence, NO_PROGRESS, at(9), at(14)).await.expect_err("is late"));
    check(catalog.finish_job(&fence, JobState::Done, NO_PROGRESS, None, at(9)).await.expect_err("is late"));
    check(catalog.release_job(&fence, NO_PROGRESS, at(9)).await.expect_err("is late"));
    assert_eq!(state(catalog, "j1").await, JobState::Running);

    let again = claim(catalog, "two", 9).await.expect("may be taken on");
    assert_eq!((again.id, again.fence, again.progress), (job.id, 2, progress));
    let error = catalog.renew_job(&fence, NO_PROGRESS, at(9), at(14)).await.expect_err("is another's");
    assert!(error.to_string().starts_with("job j1 was taken on again meanwhile, by two; "), "{error}");
    let nobody = Fence { job: JobId::new("j9"), number: 1 };
    let error = catalog.renew_job(&nobody, NO_PROGRESS, at(9), at(14)).await.expect_err("is unknown");
    assert!(error.to_string().starts_with("job j9 is not known any more; "), "{error}");
}

async fn a_job_that_was_taken_over_commits_nothing_more(place: &Place) {
    let (one, two) = (place.catalog.clone(), place.replica().await);
    sources(&one, &["aws"]).await;
    one.request(&wanted("j1", "aws"), at(0)).await.expect("asks");
    let job = claim(&one, "one", 0).await.expect("is there");
    let fenced = |bill: &Bill, fence: Fence, minute: i64| {
        let mut commit = bill.commit(at(minute));
        commit.run.job = Some(fence.job.clone());
        commit.fence = Some(fence);
        commit
    };
    // In time.
    let first = Bill::new("p1");
    first.intend(&one).await;
    let commit = fenced(&first, job.fence(), 1);
    assert_eq!(one.commit(commit.clone()).await.expect("commits"), 1);
    assert_eq!(
        one.runs_of(&job.id).await.expect("reads"),
        [one.run(&first.run_id()).await.expect("reads").expect("is there")]
    );

    // Past its lease: not even while nobody else has taken it on.
    let second = Bill::new("p2").replaces("p1");
    second.intend(&one).await;
    let error = one.commit(fenced(&second, job.fence(), 5)).await.expect_err("is late");
    assert!(matches!(error, CatalogError::LeaseLost { .. }), "{error:?}");
    // Taken over: not even with a clock that is behind.
    let theirs = claim(&two, "two", 5).await.expect("may be taken on");
    let error = one.commit(fenced(&second, job.fence(), 2)).await.expect_err("is another's");
    assert!(error.to_string().contains("by two"), "{error}");
    assert_eq!(one.generation().await.expect("reads"), 1);
    // To say again what did happen is no harm.
    assert_eq!(one.commit(commit).await.expect("has happened"), 1);
    // Whoever has it commits; both at once: one does.
    let third = Bill::new("p3").replaces("p1");
    third.intend(&two).await;
    let (a, b) =
        tokio::join!(one.commit(fenced(&second, job.fence(), 6)), two.commit(fenced(&third, theirs.fence(), 6)),);
    assert!(matches!(a, Err(CatalogError::LeaseLost { .. })), "{a:?}");
    assert_eq!(b.expect("commits"), 2);
    two.finish_job(&theirs.fence(), JobState::Done, NO_PROGRESS, None, at(7)).await.expect("ends");
    assert_eq!(two.sources().await.expect("reads")[0].succeeded_at, Some(at(7)));
    let error = two.commit(fenced(&Bill::new("p4").replaces("p3"), theirs.fence(), 7)).await.expect_err("is over");
    assert!(error.to_string().starts_with("job j1 is done by now; "), "{error}");
    two.close().await;
}

async fn a_job_that_is_given_back_waits_again(place: &Place) {
    let catalog = &place.catalog;
    sources(catalog, &["aws"]).await;
    let days = Request { window: Some(range("2026-01-01", "2026-02-01")), force: Force::default() };
    catalog.request(&Wanted { request: days, ..wanted("j1", "aws") }, at(0)).await.expect("asks");
    let job = claim(catalog, "one", 1).await.expect("is there");
    let progress = JobProgress { listed: 7, done: 2, ..NO_PROGRESS };
    catalog.release_job(&job.fence(), progress, at(2)).await.expect("gives back");
    let waiting = catalog.job(&job.id).await.expect("reads").expect("is there");
    assert_eq!((waiting.state, waiting.holder, waiting.expires_at), (JobState::Queued, None, None));
    assert_eq!((waiting.request, waiting.progress, waiting.requested_at), (days, progress, at(0)));
    let error = catalog.renew_job(&job.fence(), progress, at(2), at(7)).await.expect_err("has none");
    assert!(error.to_string().starts_with("job j1 is queued by now; "), "{error}");
    let again = claim(catalog, "two", 2).await.expect("is there");
    assert_eq!((again.id.as_str(), again.fence), ("j1", 2));

    // Where the next one waits already, that one does both.
    catalog.request(&wanted("j2", "aws"), at(3)).await.expect("asks");
    catalog.release_job(&again.fence(), progress, at(4)).await.expect("gives back");
    let over = catalog.job(&again.id).await.expect("reads").expect("is there");
    assert_eq!((over.state, over.finished_at), (JobState::Cancelled, Some(at(4))));
    assert_eq!(over.message.as_deref(), Some("it was stopped before it was done; job j2 does the rest"));
    let next = claim(catalog, "one", 5).await.expect("is there");
    assert_eq!((next.id.as_str(), next.request.window), ("j2", Some(range("2026-01-01", "2026-11-22"))));

    // Of a source that is gone meanwhile nobody takes it on.
    sources(catalog, &[]).await;
    catalog.release_job(&next.fence(), progress, at(6)).await.expect("gives back");
    assert_eq!(state(catalog, "j2").await, JobState::Cancelled);
}

async fn a_job_that_is_over_stays_over(place: &Place) {
    let catalog = &place.catalog;
    sources(catalog, &["aws"]).await;
    catalog.request(&wanted("j1", "aws"), at(0)).await.expect("asks");
    let job = claim(catalog, "one", 0).await.expect("is there");
    let error = catalog.finish_job(&job.fence(), JobState::Queued, NO_PROGRESS, None, at(1)).await;
    assert!(matches!(error, Err(CatalogError::Inconsistent(_))), "{error:?}");
    catalog.finish_job(&job.fence(), JobState::Failed, NO_PROGRESS, Some("no"), at(1)).await.expect("ends");
    let error = catalog.finish_job(&job.fence(), JobState::Done, NO_PROGRESS, None, at(1)).await.expect_err("is over");
    assert!(matches!(error, CatalogError::LeaseLost { .. }), "{error:?}");
    assert_eq!(claim(catalog, "two", 99).await, None);
    assert_eq!(state(catalog, "j1").await, JobState::Failed);
    assert_eq!(catalog.sources().await.expect("reads")[0].succeeded_at, None, "it was never done");
}

async fn old_jobs_are_forgotten(place: &Place) {
    let catalog = &place.catalog;
    sources(catalog, &["a", "b"]).await;
    let mut fences = Vec::new();
    for (minute, id) in ["j1", "j2", "j3"].into_iter().enumerate() {
        let minute = minute as i64;
        catalog.request(&wanted(id, "a"), at(minute)).await.expect("asks");
        let job = claim(catalog, "one", minute).await.expect("is there");
        catalog.finish_job(&job.fence(), JobState::Done, NO_PROGRESS, None, at(minute)).await.expect("ends");
        fences.push(job.fence());
    }
    catalog.request(&wanted("j4", "b"), at(0)).await.expect("asks");
    claim(catalog, "one", 3).await.expect("is there");
    assert_eq!(catalog.forget_jobs(at(2), at(99)).await.expect("forgets"), 2);
    assert_eq!(catalog.job(&fences[0].job).await.expect("reads"), None);
    assert_eq!(state(catalog, "j3").await, JobState::Done);
    assert_eq!(state(catalog, "j4").await, JobState::Running, "it may be taken on again");
    // Nobody takes on what is no longer configured: it is over.
    sources(catalog, &["a"]).await;
    assert_eq!(state(catalog, "j4").await, JobState::Running, "whoever has it may still end it");
    catalog.forget_jobs(at(0), at(99)).await.expect("forgets");
    assert_eq!(state(catalog, "j4").await, JobState::Cancelled);
}

async fn an_interrupted_claim_leaves_the_job_for_others(place: &Place) {
    let (catalog, other) = (&place.catalog, place.replica().await);
    sources(catalog, &["aws"]).await;
    let aws = [source("aws")];
    for polls in 0..25 {
        let id = format!("j{polls}");
        catalog.request(&wanted(&id, "aws"), at(polls)).await.expect("asks");
        {
            let mut claim = std::pin::pin!(catalog.claim(Which::Of(&aws), "one", at(polls), at(polls + 1)));
            let mut left = polls;
            std::future::poll_fn(|cx| {
                if left == 0 || claim.as_mut().poll(cx).is_ready() {
                    return std::task::Poll::Ready(());
                }
                left -= 1;
                std::task::Poll::Pending
            })
            .await;
        }
        let later: DateTime<Utc> = at(polls + 2);
        let taken =
            tokio::time::timeout(Duration::from_secs(20), other.claim(Which::Of(&aws), "two", later, at(polls + 9)));
        let taken = taken.await.expect("nobody holds a lock").expect("asks").expect("is there");
        assert_eq!(taken.id.as_str(), id);
        other.finish_job(&taken.fence(), JobState::Done, NO_PROGRESS, None, later).await.expect("ends");
    }
    other.close().await;
}
