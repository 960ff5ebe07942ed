//! Finds the known name that is most similar to a misspelled name, such as the name of a field, a
//! policy or a client.

/// Maximum length of a misspelled name, in characters; a longer name gets no suggestion. The search
/// time is proportional to the product of the lengths of both names.
const MAX_GUESSED_CHARS: usize = 64;

/// Returns the known name that is nearest to `written`, or `None` if none is near enough; ignores
/// differences in case.
///
/// The Levenshtein distance to a near name is at most a third of the known name's length, rounded
/// up.
#[must_use]
pub fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    if written.is_empty() || written.chars().nth(MAX_GUESSED_CHARS).is_some() {
        return None;
    }
    let written = written.to_lowercase();
    let distances = known.iter().map(|name| (distance(&written, &name.to_lowercase()), *name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= name.chars().count().div_ceil(3)).then_some(name)
}

/// Returns the Levenshtein distance between two texts.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, from) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, &to) in to.iter().enumerate() {
            let changed = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant_and_guesses_nothing_else() {
        let known = ["notBefore", "notAfter", "windows", "timeZone"];
        assert_eq!(nearest("notbefore", &known), Some("notBefore"));
        assert_eq!(nearest("window", &known), Some("windows"));
        assert_eq!(nearest("timezon", &known), Some("timeZone"));
        assert_eq!(nearest("clients", &known), None);
        assert_eq!(nearest("", &known), None);
        assert_eq!(nearest(&"n".repeat(1000), &known), None);
    }
}
