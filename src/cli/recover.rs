//! `outlay recover`.

use std::process::ExitCode;

use anyhow::Context;
use outlay_store::Found;
use tokio_util::sync::CancellationToken;

use super::output::{count, print};
use crate::app::App;
use crate::pipeline::{self, Recovered};

#[derive(Debug, clap::Args)]
pub(super) struct RecoverArguments {
    /// Remove files of the store that belong to no recovered delivery, if no delivery was left out
    #[arg(long)]
    discard_strays: bool,
}

pub(super) async fn run(arguments: &RecoverArguments, app: &App) -> anyhow::Result<ExitCode> {
    let recovered =
        pipeline::recover(app, arguments.discard_strays).await.context("the catalog cannot be recovered")?;
    if recovered.discarded {
        pipeline::sweep(app).await?;
    }
    // Owners are those that the charges had; pools are split anew.
    let settled = pipeline::settle(app, &CancellationToken::new(), &|_| {}).await?;
    if let Some(trouble) = settled.trouble() {
        eprintln!("outlay: not all charges have the owners they should have: {trouble}");
    }
    print(&describe(&recovered, arguments.discard_strays))?;
    Ok(if recovered.left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(recovered: &Recovered, discard: bool) -> String {
    let Recovered { deliveries, charges, left_out, strays, discarded, .. } = recovered;
    let mut text = format!("recovered {deliveries} deliveries, {} charges", count(*charges));
    if !left_out.is_empty() {
        text.push_str(&format!("\n\n{} deliveries were left out; import or collect them again:", left_out.len()));
        for out in left_out {
            text.push_str(&format!("\n  {} {}: {}", out.source, out.delivery, out.why));
        }
    }
    if !strays.is_empty() {
        let fate = if *discarded {
            "and were removed"
        } else if discard {
            "and were not removed, for they may be all there is of what was left out; when that is back, remove them with \
             outlay recover --discard-strays on a fresh catalog"
        } else {
            "and stay where they are (parts that were being staged, or copies replaced long ago); if a bill that you know \
             was imported is not there, import it again; then remove them with outlay recover --discard-strays on a fresh \
             catalog"
        };
        text.push_str(&format!("\n\n{} files belong to no recovered delivery {fate}:", strays.len()));
        for stray in strays {
            text.push_str(&format!("\n  {}", describe_stray(stray)));
        }
    }
    text
}

fn describe_stray(Found { file, footer, .. }: &Found) -> String {
    match footer {
        Ok(footer) => {
            format!("{}: {} {}, {} charges", file.path, footer.source, footer.delivery, count(footer.rows))
        }
        Err(wrong) => format!("{}: {wrong}", file.path),
    }
}
