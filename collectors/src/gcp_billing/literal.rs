//! Lists and maps as text: JSON, or what Python prints of them, which is what programs that dump rows as CSV often write.

use serde_json::Value;

/// The value; `None` when the text is neither.
pub(super) fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&json(text)?).ok())
}

/// What Python printed, as JSON: its strings may stand in single quotes, and its words begin with capitals.
fn json(python: &str) -> Option<String> {
    let mut json = String::with_capacity(python.len());
    let mut letters = python.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' | '"' => json.push_str(&Value::String(string(letter, &mut letters)?).to_string()),
            first if first.is_alphabetic() => {
                let mut word = first.to_string();
                while let Some(next) = letters.next_if(|letter| letter.is_alphanumeric()) {
                    word.push(next);
                }
                json.push_str(match word.as_str() {
                    "True" => "true",
                    "False" => "false",
                    "None" => "null",
                    other => other,
                });
            }
            other => json.push(other),
        }
    }
    Some(json)
}

/// A string up to the quote that closes it.
fn string(quote: char, letters: &mut impl Iterator<Item = char>) -> Option<String> {
    let mut text = String::new();
    loop {
        match letters.next()? {
            letter if letter == quote => return Some(text),
            '\\' => text.push(match letters.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'x' => code(2, letters)?,
                'u' => code(4, letters)?,
                'U' => code(8, letters)?,
                other => other,
            }),
            letter => text.push(letter),
        }
    }
}

fn code(digits: usize, letters: &mut impl Iterator<Item = char>) -> Option<char> {
    let code: String = letters.take(digits).collect();
    char::from_u32(u32::from_str_radix(&code, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_say_the_same() {
        let cases = [
            (r#"[{"amount": -1.0E-6}]"#, r#"[{"amount":-1.0e-6}]"#),
            (r"[{'amount': -1e-05, 'id': None, 'on': True}]", r#"[{"amount":-1e-05,"id":null,"on":true}]"#),
            (r#"[{'name': "Ann's", 'b': 'a "b" \'c\' \x41'}]"#, r#"[{"name":"Ann's","b":"a \"b\" 'c' A"}]"#),
            ("[]", "[]"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).map(|value| value.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "[{'a': 1", "[{'a: 1}]", "array([1])", "'"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
