//! Parses label selectors in the text form of kubectl, such as `site=berlin,ring in (1,2),!test`.

use super::selector::Requirement;

/// Maximum length of a label's name and of its value, in characters. Kubernetes has the same limit.
const MAX_LABEL_CHARS: usize = 63;

/// An error in a selector; its message says where it is and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct SelectorError {
    /// Position of the error in the text, in characters, starting at 1.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// Parses a label selector: requirements separated by commas, all of which must hold.
///
/// Accepts what Kubernetes accepts, except `>` and `<`, which compare numbers.
///
/// # Errors
/// Returns a [`SelectorError`] for a text that is no selector, and for one without requirements,
/// because that would select everything.
pub fn parse_selector(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser { tokens: tokens(text), next: 0, end: text.chars().count() + 1 };
    let mut requirements = Vec::new();
    loop {
        requirements.push(parser.requirement()?);
        match parser.take() {
            (_, None) => return Ok(requirements),
            (_, Some(Token::Sign(","))) => {}
            (column, Some(token)) => {
                let message = format!("`{}` is unexpected: write a comma before it", token.text());
                return Err(SelectorError { column, message });
            }
        }
    }
}

/// Returns the key of a label for which no value can meet all requirements, or `None` if there is
/// no such label.
#[must_use]
pub fn contradiction(requirements: &[Requirement]) -> Option<&str> {
    // A label that need not exist can always be absent, so only the other labels can conflict.
    let needs_label = |r: &&Requirement| matches!(r, Requirement::In(..) | Requirement::Exists(_));
    requirements.iter().filter(needs_label).map(Requirement::key).find(|key| {
        let same: Vec<&Requirement> = requirements.iter().filter(|r| r.key() == *key).collect();
        let holds = |value: &String| same.iter().all(|r| r.holds(|_| Some(value.as_str())));
        let listed = same.iter().find_map(|requirement| match requirement {
            Requirement::In(_, values) => Some(values),
            _ => None,
        });
        match listed {
            Some(values) => !values.iter().any(holds),
            None => same.iter().any(|r| matches!(r, Requirement::DoesNotExist(_))),
        }
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(&'static str),
    /// A character that no selector contains.
    Other(char),
}

impl Token {
    fn text(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Sign(sign) => (*sign).to_owned(),
            Self::Other(other) => other.escape_debug().to_string(),
        }
    }
}

/// Signs as written. A sign comes before its own prefixes, because the first one that matches counts.
const SIGNS: [&str; 9] = ["==", "!=", "=", "!", ",", "(", ")", ">", "<"];

/// Splits a text into tokens, each with its column.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut column = 1;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
        let (length, token) = if word > 0 {
            (word, Some(Token::Word(rest[..word].to_owned())))
        } else if let Some(sign) = sign {
            (sign.len(), Some(Token::Sign(sign)))
        } else {
            let is_blank = matches!(first, ' ' | '\t' | '\r' | '\n');
            (first.len_utf8(), (!is_blank).then_some(Token::Other(first)))
        };
        tokens.extend(token.map(|token| (column, token)));
        column += rest[..length].chars().count();
        rest = &rest[length..];
    }
    tokens
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    /// Column after the text.
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    /// Returns the next token with its column; no token at the end of the text.
    fn take(&mut self) -> (usize, Option<Token>) {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token.map_or((self.end, None), |(column, token)| (column, Some(token)))
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        if self.peek() == Some(&Token::Sign("!")) {
            self.take();
            return Ok(Requirement::DoesNotExist(self.key()?));
        }
        let key = self.key()?;
        match self.peek() {
            None | Some(Token::Sign(",")) => return Ok(Requirement::Exists(key)),
            _ => {}
        }
        let (column, operator) = self.take();
        let text = operator.as_ref().map(Token::text).unwrap_or_default();
        match text.as_str() {
            "=" | "==" => Ok(Requirement::In(key, vec![self.value()?])),
            "!=" => Ok(Requirement::NotIn(key, vec![self.value()?])),
            "in" => Ok(Requirement::In(key, self.values()?)),
            "notin" => Ok(Requirement::NotIn(key, self.values()?)),
            ">" | "<" => Err(SelectorError {
                column,
                message: format!("`{text}` is not supported: list the values, as {key} in (1,2)"),
            }),
            _ => Err(SelectorError {
                column,
                message: format!(
                    "`{text}` is unexpected: write =, !=, in (...), notin (...) or a comma after \
                     {key}"
                ),
            }),
        }
    }

    fn key(&mut self) -> Result<String, SelectorError> {
        let (column, token) = self.take();
        let message = match token {
            Some(Token::Word(key)) if is_key(&key) => return Ok(key),
            Some(Token::Word(key)) => format!(
                "`{key}` cannot be the key of a label: write letters, digits, -, _ and ., perhaps \
                 after a domain and a slash, as site or example.com/site"
            ),
            Some(other) => format!(
                "`{}` is unexpected: write the key of a label, as site=berlin",
                other.text()
            ),
            None => "a label is missing: write its key, as site=berlin".to_owned(),
        };
        Err(SelectorError { column, message })
    }

    /// Parses the value after `=` or `!=`, which may be empty.
    fn value(&mut self) -> Result<String, SelectorError> {
        if matches!(self.peek(), None | Some(Token::Sign(","))) {
            return Ok(String::new());
        }
        let (column, token) = self.take();
        value(column, token)
    }

    /// Parses a list of values in parentheses.
    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        let (column, open) = self.take();
        if open != Some(Token::Sign("(")) {
            let message = "the list of values is missing: write it in parentheses, as (a,b)";
            return Err(SelectorError { column, message: message.to_owned() });
        }
        let mut values = Vec::new();
        loop {
            match self.peek() {
                Some(Token::Sign("," | ")")) => values.push(String::new()),
                _ => {
                    let (column, token) = self.take();
                    values.push(value(column, token)?);
                }
            }
            match self.take() {
                (_, Some(Token::Sign(","))) => {}
                (_, Some(Token::Sign(")"))) => return Ok(values),
                (column, _) => {
                    let message = "the list of values does not end: write `)` after it".to_owned();
                    return Err(SelectorError { column, message });
                }
            }
        }
    }
}

fn value(column: usize, token: Option<Token>) -> Result<String, SelectorError> {
    let message = match token {
        Some(Token::Word(value)) if is_name(&value) => return Ok(value),
        Some(token) => format!(
            "`{}` cannot be the value of a label: write at most {MAX_LABEL_CHARS} letters, digits, \
             -, _ and ., beginning and ending with a letter or digit",
            token.text()
        ),
        None => "a value is missing".to_owned(),
    };
    Err(SelectorError { column, message })
}

/// Returns whether the text can be the value of a label, or the key of a label without its domain.
fn is_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= MAX_LABEL_CHARS
        && !text.contains('/')
        && ends(text.chars().next())
        && ends(text.chars().next_back())
}

fn is_key(text: &str) -> bool {
    match text.split_once('/') {
        None => is_name(text),
        Some((domain, name)) => {
            let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            let is_part = |part: &str| is_name(part) && part.bytes().all(is_plain);
            is_name(name) && domain.split('.').all(is_part)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let label = |key: &str| labels.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
        parse_selector(selector).expect(selector).iter().all(|r| r.holds(label))
    }

    #[test]
    fn selectors_are_those_of_kubectl() {
        let labels = [("site", "berlin"), ("example.com/ring", "1"), ("in", ""), ("x", "notin")];
        for (selector, expected) in [
            ("site=berlin", true),
            ("site == berlin", true),
            ("site!=berlin", false),
            ("other!=berlin", true),
            ("site in (paris,berlin),example.com/ring", true),
            ("site in(paris, berlin)", true),
            ("site notin (paris)", true),
            ("other notin (paris)", true),
            ("!site", false),
            ("! other , site", true),
            ("in=", true),
            ("in in (,a)", true),
            ("x=notin", true),
            ("site=", false),
            ("example.com/ring=1,site=paris", false),
        ] {
            assert_eq!(selects(selector, &labels), expected, "{selector}");
        }
    }

    #[test]
    fn errors_say_where_they_are() {
        for (selector, column) in [
            ("", 1),
            ("  ", 3),
            ("a=b,", 5),
            (",a", 1),
            ("a=b c=d", 5),
            ("a in b", 6),
            ("a in (b", 8),
            ("a in (b c)", 9),
            ("a = ä", 5),
            ("a\u{200b}=b", 2),
            ("-a", 1),
            ("a=b/c", 3),
            ("A.example/x=1", 1),
            ("a>5", 2),
            ("a=b=c", 4),
            ("!!a", 2),
            ("(a)", 1),
            ("a in (b))", 9),
        ] {
            let error = parse_selector(selector).expect_err(selector);
            assert_eq!(error.column, column, "{selector}: {error}");
        }
        let long = format!("a={}", "b".repeat(64));
        assert!(parse_selector(&long).is_err());
    }

    #[test]
    fn contradictions_are_found() {
        for (selector, key) in [
            ("a=b,a=c", Some("a")),
            ("a,!a", Some("a")),
            ("x,a in (b,c),a notin (b,c)", Some("a")),
            ("a=b,!a", Some("a")),
            ("a in (b,c),a in (c,d)", None),
            ("a!=b,a!=c", None),
            ("!a,a!=b", None),
            ("a,a!=b", None),
        ] {
            let requirements = parse_selector(selector).expect(selector);
            assert_eq!(contradiction(&requirements), key, "{selector}");
        }
    }
}
