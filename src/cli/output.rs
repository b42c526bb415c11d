//! Writing to a terminal, a pipe or a script.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use outlay_model::{DateRange, Money};

/// How a command answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum TextFormat {
    /// For people
    #[default]
    Table,
    /// For scripts
    Json,
}

/// Prints a text; a reader that has gone (`| head`) is no failure.
pub(super) fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Whether somebody looks at the answer.
pub(super) fn on_terminal() -> bool {
    io::stdout().is_terminal()
}

/// An amount for the eye: rounded half-even to cents, thousands set apart; what is there but less than a cent is said
/// to be so.
pub(super) fn cents(money: Money) -> String {
    const CENT: i128 = 10_i128.pow(16);
    let units = money.units();
    let (mut whole, rest) = (units.div_euclid(CENT), units.rem_euclid(CENT) * 2);
    if rest > CENT || (rest == CENT && whole % 2 != 0) {
        whole += 1;
    }
    if whole == 0 && units != 0 {
        return if units > 0 { "<0.01".to_owned() } else { ">-0.01".to_owned() };
    }
    let digits = (whole.unsigned_abs() / 100).to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{}{grouped}.{:02}", if whole < 0 { "-" } else { "" }, whole.unsigned_abs() % 100)
}

/// A count with thousands set apart.
pub(super) fn count(number: u64) -> String {
    let text = cents(Money::from_units(i128::from(number) * 10_i128.pow(18)).unwrap_or_default());
    text.trim_end_matches(".00").to_owned()
}

/// Days for people: the last one is in it.
pub(super) fn inclusive(days: DateRange) -> String {
    match days.to().pred_opt() {
        Some(last) if last > days.from() => format!("{}..{last}", days.from()),
        _ => days.from().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_for_the_eye_only() {
        let check = |text: &str, expected: &str| assert_eq!(cents(text.parse().expect("money")), expected);
        check("0", "0.00");
        check("1234567.891", "1,234,567.89");
        check("-1234.5", "-1,234.50");
        check("0.125", "0.12");
        check("0.135", "0.14");
        check("-0.125", "-0.12");
        check("0.0000008", "<0.01");
        check("-0.0049", ">-0.01");
        check("999.995", "1,000.00");
        assert_eq!(count(1_234_567), "1,234,567");
    }
}
