//! The FOCUS table against the reference list, where that lies beside the checkout.

use std::path::Path;

use outlay_model::focus::{COLUMNS, FeatureLevel, FocusColumn, FocusType, find, subcategories};

/// A column as the reference writes it.
fn written(column: &FocusColumn) -> [String; 6] {
    let data_type = match column.data_type {
        FocusType::String => "String",
        FocusType::Decimal => "Decimal",
        FocusType::DateTime => "DateTime",
        FocusType::Json => "JSON",
    };
    let level = match column.level {
        FeatureLevel::Mandatory => "Mandatory",
        FeatureLevel::Conditional => "Conditional",
        FeatureLevel::Recommended => "Recommended",
    };
    let nullable = column.nullable.to_string();
    [column.name, column.since.as_str(), level, data_type, &nullable, &column.allowed.join("|")].map(ToOwned::to_owned)
}

#[test]
fn the_table_is_the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/focus_columns.csv");
    let Ok(mut reference) = csv::Reader::from_path(&path) else {
        println!("the reference list is not here: only the table's own rules are checked");
        return;
    };
    let header = reference.headers().expect("a header").clone();
    let names = ["column_id", "since_version", "feature_level", "data_type", "nullable", "allowed_values"];
    let places = names.map(|name| header.iter().position(|other| other == name).expect(name));
    let rows: Vec<[String; 6]> = reference
        .records()
        .map(|row| {
            let row = row.expect("a row");
            places.map(|place| row[place].to_owned())
        })
        .collect();
    assert_eq!(COLUMNS.iter().map(written).collect::<Vec<_>>(), rows);
}

#[test]
fn the_table_keeps_its_own_rules() {
    assert_eq!(COLUMNS.len(), 65, "57 columns of FOCUS 1.2 and 8 that 1.3 adds");
    for (place, column) in COLUMNS.iter().enumerate() {
        assert!(COLUMNS[place + 1..].iter().all(|other| other.name != column.name), "{} is there twice", column.name);
        assert!(column.name.starts_with(|c: char| c.is_ascii_uppercase()), "{}", column.name);
    }
}

#[test]
fn every_subcategory_is_of_one_category() {
    let words = |column: &str| find(column).expect("a column").allowed;
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for category in words("ServiceCategory") {
        pairs.extend(subcategories(category).map(|subcategory| (*category, subcategory)));
    }
    assert_eq!(pairs.len(), words("ServiceSubcategory").len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/focus_service_subcategories.csv");
    let Ok(mut reference) = csv::Reader::from_path(&path) else {
        println!("the reference list is not here: only the table's own rules are checked");
        return;
    };
    let rows = reference.records().map(|row| row.expect("a row"));
    let mut expected: Vec<(String, String)> = rows.map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    let mut pairs: Vec<(String, String)> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    expected.sort();
    pairs.sort();
    assert_eq!(pairs, expected);
}
