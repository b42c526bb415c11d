//! A catalog is opened by many, in any state, and never made worse by it.

use outlay_catalog::{Catalog, CatalogError};

use crate::place::Place;

crate::stories![
    a_fresh_one_may_be_opened_by_many_at_once,
    a_catalog_of_a_newer_outlay_is_refused_and_left_alone,
    a_catalog_with_other_migrations_is_refused,
];

async fn a_fresh_one_may_be_opened_by_many_at_once(place: &Place) {
    let site = place.site.another().await;
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let url = site.url.clone();
            tokio::spawn(async move { Catalog::open(&url).await })
        })
        .collect();
    for opened in opening {
        let catalog = opened.await.expect("no panic").expect("opens");
        assert_eq!(catalog.generation().await.expect("reads"), 0);
        catalog.close().await;
    }
    let mut conn = site.connect().await;
    let heads: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM head").fetch_one(&mut conn).await.expect("counts");
    assert_eq!(heads, 1, "each migration ran once");
}

async fn a_catalog_of_a_newer_outlay_is_refused_and_left_alone(place: &Place) {
    let known = newest(place).await;
    let query = sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9000, 'from the future', TRUE, $1, 1)",
    );
    query.bind(vec![0_u8]).execute(&mut place.site.connect().await).await.expect("pretends");
    let error = Catalog::open(&place.site.url).await.expect_err("is refused");
    assert!(matches!(error, CatalogError::Newer { found: 9000, .. }), "{error:?}");
    let shown = format!("{:?}", place.catalog);
    let url = shown.strip_prefix("Catalog { url: \"").and_then(|rest| rest.strip_suffix("\", .. }")).expect("a url");
    assert_eq!(
        error.to_string(),
        format!(
            "catalog {url} was migrated to version 9000 by a newer outlay, this one knows {known}: use that version, or \
             restore the catalog from a backup"
        )
    );
    assert_eq!(newest(place).await, 9000);
}

async fn a_catalog_with_other_migrations_is_refused(place: &Place) {
    let query = sqlx::query("UPDATE _sqlx_migrations SET checksum = $1 WHERE version = 1").bind(vec![0_u8]);
    query.execute(&mut place.site.connect().await).await.expect("pretends");
    let error = Catalog::open(&place.site.url).await.expect_err("is refused");
    assert!(matches!(error, CatalogError::Corrupt { .. }), "{error:?}");
}

async fn newest(place: &Place) -> i64 {
    let query = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations");
    query.fetch_one(&mut place.site.connect().await).await.expect("reads")
}
