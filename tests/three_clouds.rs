//! One question over the bills of three clouds, in three currencies, and the answer worked out by hand.
//!
//! AWS bills in dollars, Azure in euros, Google Cloud in pounds. The European Central Bank has published (here) two days:
//!
//! |                          | USD  | GBP | holds for                                        |
//! | ------------------------ | ---- | --- | ------------------------------------------------ |
//! | Friday, 26 September     | 1.25 | 0.8 | that day, the weekend and up to 1 October        |
//! | Thursday, 2 October      | 1.2  | 0.6 | that day, and ten days more where none is stated |

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::House;
use common::bank::sheet;
use common::server::Server;
use serde_json::Value;

const RATES: &[(&str, &[(&str, &str)])] =
    &[("2025-10-02", &[("USD", "1.2"), ("GBP", "0.6")]), ("2025-09-26", &[("USD", "1.25"), ("GBP", "0.8")])];

/// A line of a bill: the day, the service, its category, what it is, and what it costs.
type Charge = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// In dollars.
const AWS: &[Charge] = &[
    // 10 / 1.25 = 8
    ("2025-09-27", "Amazon Elastic Compute Cloud", "Compute", "Usage", "10"),
    // 5 / 1.25 = 4
    ("2025-10-01", "Amazon Elastic Compute Cloud", "Compute", "Usage", "5"),
    // -0.6 / 1.2 = -0.5
    ("2025-10-03", "Amazon Elastic Compute Cloud", "Compute", "Credit", "-0.6"),
    // 1 / 1.2 = 0.8333…, twice
    ("2025-10-02", "Amazon Simple Storage Service", "Storage", "Usage", "1"),
    ("2025-10-05", "Amazon Simple Storage Service", "Storage", "Usage", "1"),
];

/// In euros: the day, the meter's category, the charge type, the cost. Actual and amortised are the same.
const AZURE: &[(&str, &str, &str, &str)] = &[
    ("2025-09-30", "Virtual Machines", "Usage", "2.5"),
    ("2025-10-04", "SQL Database", "Usage", "3.75"),
    ("2025-10-10", "Storage", "Usage", "0.123456789012345"),
];

/// In pounds: the day, the service, the cost, a discount.
const GOOGLE: &[(&str, &str, &str, &str)] = &[
    // (4.5 - 0.5) / 0.8 = 5
    ("2025-09-28", "Compute Engine", "4.5", "-0.5"),
    // 0.3 / 0.6 = 0.5
    ("2025-10-06", "BigQuery", "0.3", "0"),
    // 1 / 0.6 = 1.6666…
    ("2025-10-07", "Cloud Storage", "1", "0"),
];

/// The charges of a month as FOCUS.
fn focus(month: &str) -> String {
    let next = if month == "2025-09" { "2025-10" } else { "2025-11" };
    let mut text =
        "ProviderName,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,\
        ChargePeriodEnd,ServiceName,ServiceCategory,ChargeCategory,BilledCost,EffectiveCost\n"
            .to_owned();
    for (day, service, category, what, cost) in AWS.iter().filter(|(day, ..)| day.starts_with(month)) {
        text.push_str(&format!(
            "AWS,111122223333,USD,{month}-01T00:00:00Z,{next}-01T00:00:00Z,{day}T00:00:00Z,{day}T23:00:00Z,\
             {service},{category},{what},{cost},{cost}\n"
        ));
    }
    text
}

/// The charges of a month as Azure's cost details.
fn cost_details(month: &str) -> String {
    let native = |day: &str| format!("{}/{}/{}", &day[5..7], &day[8..], &day[..4]);
    let last = if month == "2025-09" { "2025-09-30" } else { "2025-10-31" };
    let mut text =
        "BillingAccountId,BillingCurrency,BillingPeriodStartDate,BillingPeriodEndDate,Date,MeterCategory,ChargeType,\
                    PricingModel,SubscriptionId,CostInBillingCurrency\n"
            .to_owned();
    for (day, meter, what, cost) in AZURE.iter().filter(|(day, ..)| day.starts_with(month)) {
        let (first, last, day) = (native(&format!("{month}-01")), native(last), native(day));
        text.push_str(&format!("8608480,EUR,{first},{last},{day},{meter},{what},OnDemand,shop,{cost}\n"));
    }
    text
}

/// The charges of a month as rows of Google's billing export.
fn rows(month: &str) -> String {
    let mut text = String::new();
    for (day, service, cost, discount) in GOOGLE.iter().filter(|(day, ..)| day.starts_with(month)) {
        text.push_str(&format!(
            r#"{{"billing_account_id":"01AB23","invoice":{{"month":"{invoice}"}},"cost_type":"regular","service":{{"description":"{service}"}},"sku":{{"id":"1","description":"Use"}},"usage_start_time":"{day} 12:00:00 UTC","usage_end_time":"{day} 13:00:00 UTC","project":{{"id":"shop"}},"cost":{cost},"currency":"GBP","credits":[{{"type":"SUSTAINED_USAGE_DISCOUNT","name":"Sustained use","amount":{discount}}}]}}"#,
            invoice = month.replace('-', ""),
        ));
        text.push('\n');
    }
    text
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
    fs::write(path, text).expect("writes");
}

/// Puts every provider's files below a folder, and gives the sources that collect them.
fn plant(folder: &Path) -> String {
    for month in ["2025-09", "2025-10"] {
        let bill = format!("data/BILLING_PERIOD={month}/focus-00001.csv");
        let manifest = format!(r#"{{"tableName":"FOCUS_1_0_AWS","dataFiles":["s3://bills/focus/{bill}"]}}"#);
        write(folder, &format!("aws/{bill}"), &focus(month));
        write(folder, &format!("aws/metadata/BILLING_PERIOD={month}/focus-Manifest.json"), &manifest);
        let days = if month == "2025-09" { "20250901-20250930" } else { "20251001-20251031" };
        for export in ["actual", "amortized"] {
            let name = format!("azure/{export}/{days}/{export}_5e5e1c6e-6f3a-4d2e-9c0a-000000000001.csv");
            write(folder, &name, &cost_details(month));
        }
        write(folder, &format!("gcp/{month}/rows.jsonl"), &rows(month));
    }
    write(folder, "ecb/eurofxref-hist.xml", &sheet(RATES));
    let at = folder.display();
    format!(
        "reporting_currency = \"EUR\"\n\
         [[source]]\nname = \"aws\"\nkind = \"aws_data_export\"\nurl = \"file://{at}/aws\"\n\
         [[source]]\nname = \"azure\"\nkind = \"azure_export\"\nurl = \"file://{at}/azure/actual\"\n\
         amortized_url = \"file://{at}/azure/amortized\"\n\
         [[source]]\nname = \"gcp\"\nkind = \"gcp_billing_file\"\nurl = \"file://{at}/gcp\"\ndelivery = \"folder\"\n\
         [[source]]\nname = \"ecb\"\nkind = \"ecb_rates\"\nurl = \"file://{at}/ecb/\"\n"
    )
}

#[tokio::test]
async fn one_question_over_three_clouds() {
    let bills = tempfile::tempdir().expect("a folder");
    let house = House::with_config(&plant(bills.path())).await;
    let outlay = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.current_dir(house.folder.path()).arg("--data").arg(house.folder.path().join("data"));
        let done = command.args(arguments).output().expect("runs");
        assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    };
    outlay(&["collect", "aws", "azure", "gcp"]);
    // Those days whenever the test runs; by itself it asks for the last five years.
    outlay(&["collect", "ecb", "--from", "2025-09-01", "--to", "2025-11-01"]);
    let reconciled = outlay(&["reconcile", "--format", "json"]);
    let lines: Value = serde_json::from_str(&reconciled).expect("JSON");
    let differences = lines["data"].as_array().expect("lines").iter().map(|line| line["difference"].to_string());
    assert!(differences.into_iter().all(|difference| difference == "0"), "{reconciled}");

    let server = Server::over(house).await;
    let asked = "spend?from=2025-09-01&to=2025-11-01&granularity=month&group_by=service_category&currency=EUR";
    let answer = server.get(asked).await;
    let cells: Vec<(String, String, String)> = answer["data"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
            (text("time")[..7].to_owned(), text("service_category"), row["cost"].to_string())
        })
        .collect();
    let cell = |month: &str, category: &str, cost: &str| (month.to_owned(), category.to_owned(), cost.to_owned());
    assert_eq!(
        cells,
        [
            // 8 of AWS, 2.5 of Azure, 5 of Google Cloud.
            cell("2025-09", "Compute", "15.5"),
            // 3.75 of Azure, 0.5 of Google Cloud.
            cell("2025-10", "Databases", "4.25"),
            // 4 - 0.5 of AWS.
            cell("2025-10", "Compute", "3.5"),
            // 0.8333… + 0.8333… of AWS, 1.6666… of Google Cloud: 3.3333…; and 0.123456789012345 of Azure make
            // 3.456790122345678…, which is rounded once. Rounded one by one they would be 3.456790122345.
            cell("2025-10", "Storage", "3.456790122346"),
        ]
    );
    // What is shown adds up to what is shown: 15.5 + 4.25 + 3.5 + 3.456790122346.
    assert_eq!(answer["total"].to_string(), "26.706790122346");
    assert_eq!(answer["currency"], "EUR");
    // Bills this small leave days out; no rate is missing, and no day of the source of rates.
    assert!(!answer["warnings"].to_string().contains("ecb"), "{answer}");
}
