//! What happened to components is told once, however often it is said, and read the latest first.

use chrono::{DateTime, Utc};
use outlay_catalog::{Catalog, EventPlace, EventsQuery};
use outlay_model::ComponentId;
use outlay_model::ownership::Event;

use crate::bill::at;
use crate::place::Place;

crate::stories![an_event_is_told_once, events_are_read_the_latest_first, events_are_read_a_page_at_a_time];

fn event(component: &str, kind: &str, version: &str, minute: i64) -> Event {
    Event {
        component: ComponentId::new(component),
        kind: kind.to_owned(),
        version: version.to_owned(),
        at: at(minute),
        environment: None,
        url: None,
    }
}

async fn tell(catalog: &Catalog, event: &Event) -> bool {
    catalog.put_event(event, at(99)).await.expect("is told")
}

async fn told(catalog: &Catalog, query: &EventsQuery) -> Vec<Event> {
    catalog.events(query, 99).await.expect("lists")
}

async fn an_event_is_told_once(place: &Place) {
    let catalog = &place.catalog;
    let first = Event {
        environment: Some("prod".to_owned()),
        url: Some("https://ci/1".to_owned()),
        ..event("api 💸", "release", "v1.2\0", 5)
    };
    assert!(tell(catalog, &first).await);
    assert_eq!(catalog.generation().await.expect("reads"), 1, "answers speak of it");
    for again in [first.clone(), Event { url: None, ..first.clone() }] {
        assert!(!tell(catalog, &again).await);
    }
    assert_eq!(catalog.generation().await.expect("reads"), 1);
    let replica = place.replica().await;
    assert_eq!(told(&replica, &EventsQuery::default()).await, std::slice::from_ref(&first));
    // Whatever makes it another one.
    let nanosecond = chrono::TimeDelta::nanoseconds(1);
    for other in [
        Event { component: ComponentId::new("web"), ..first.clone() },
        Event { kind: "deployment".to_owned(), ..first.clone() },
        Event { version: "v1.3".to_owned(), ..first.clone() },
        Event { at: first.at + nanosecond, ..first.clone() },
    ] {
        assert!(tell(&replica, &other).await, "{other:?}");
    }
    assert_eq!(told(catalog, &EventsQuery::default()).await.len(), 5);
    replica.close().await;
}

async fn history(catalog: &Catalog) -> Vec<Event> {
    let all = vec![
        event("web", "release", "v2", 3),
        event("api", "release", "v2", 3),
        event("api", "deployment", "v2", 3),
        event("api", "deployment", "v1", 3),
        event("api", "release", "v1", 2),
        event("web", "release", "v1", 1),
    ];
    for event in all.iter().rev() {
        tell(catalog, event).await;
    }
    all
}

async fn events_are_read_the_latest_first(place: &Place) {
    let catalog = &place.catalog;
    let all = history(catalog).await;
    assert_eq!(told(catalog, &EventsQuery::default()).await, all);
    let check =
        async |component: Option<&str>, kind: Option<&str>, from: Option<i64>, to: Option<i64>, expected: &[usize]| {
            let time = |minute: Option<i64>| -> Option<DateTime<Utc>> { minute.map(at) };
            let query = EventsQuery {
                component: component.map(ComponentId::new),
                kind: kind.map(str::to_owned),
                from: time(from),
                to: time(to),
                before: None,
            };
            let expected: Vec<_> = expected.iter().map(|place| all[*place].clone()).collect();
            assert_eq!(told(catalog, &query).await, expected);
        };
    check(Some("web"), None, None, None, &[0, 5]).await;
    check(Some("api"), Some("release"), None, None, &[1, 4]).await;
    check(None, None, Some(2), Some(3), &[4]).await;
    check(None, None, Some(3), None, &[0, 1, 2, 3]).await;
    check(None, None, None, Some(2), &[5]).await;
    check(Some("a\0pi"), None, None, None, &[]).await;
}

async fn events_are_read_a_page_at_a_time(place: &Place) {
    let catalog = &place.catalog;
    let all = history(catalog).await;
    let mut query = EventsQuery::default();
    let mut pages = Vec::new();
    loop {
        let page = catalog.events(&query, 4).await.expect("lists");
        let Some(last) = page.last() else { break };
        let place = EventPlace::from(last);
        // A cursor carries it as text.
        let text = serde_json::to_string(&place).expect("writes");
        query.before = Some(serde_json::from_str(&text).expect("reads"));
        pages.push(page);
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);
    assert_eq!(pages.concat(), all);
}
