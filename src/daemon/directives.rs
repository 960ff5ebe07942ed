//! Checks the directives of a log filter. `tracing` takes a mistyped level for the name of a module,
//! and then logs nothing.

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Returns an error message if a directive of the filter has no level, or none that exists. A
/// directive is a level, or a module and its level, as `kube=debug`.
///
/// # Errors
///
/// Returns a message that names the wrong part.
pub(super) fn check(filter: &str) -> Result<(), String> {
    let directives = split(filter);
    if directives.is_empty() {
        return Err(format!("there is no level: {}", listed()));
    }
    directives.into_iter().try_for_each(check_directive)
}

fn check_directive(directive: &str) -> Result<(), String> {
    let Some((target, level)) =
        directive.rsplit_once('=').filter(|(_, level)| !level.ends_with(']'))
    else {
        // A span in brackets alone means all its lines, and cannot be a mistyped level.
        if is_level(directive) || directive.ends_with(']') {
            return Ok(());
        }
        return Err(format!(
            "there is no level {directive}: {}; a module needs one, as {directive}=debug",
            listed()
        ));
    };
    if !is_level(level) {
        return Err(format!("there is no level {level:?} in {directive}: {}", listed()));
    }
    if is_level(target) {
        return Err(format!(
            "{target} in {directive} is a level, where a module's name is expected"
        ));
    }
    Ok(())
}

/// Splits a filter at its commas, except at those in brackets, which separate the fields of a span.
fn split(filter: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let at_comma = |sign: char| {
        match sign {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        sign == ',' && depth == 0
    };
    filter.split(at_comma).map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn is_level(text: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text))
}

fn listed() -> String {
    LEVELS.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_has_a_level() {
        for filter in [
            "info",
            "INFO",
            "off",
            "info,kube=warn",
            " info , clientfleet::controller=debug,",
            "warn,[write]",
            "warn,clientfleet[write{name=a,kind=b}]=debug",
            "loud=info",
        ] {
            assert_eq!(check(filter), Ok(()), "{filter}");
        }
        let levels = "error, warn, info, debug, trace, off";
        for (filter, says) in [
            (
                "loud",
                format!("there is no level loud: {levels}; a module needs one, as loud=debug"),
            ),
            (
                "info,hyper",
                format!("there is no level hyper: {levels}; a module needs one, as hyper=debug"),
            ),
            ("3", format!("there is no level 3: {levels}; a module needs one, as 3=debug")),
            ("info,hyper=loud", format!("there is no level \"loud\" in hyper=loud: {levels}")),
            ("info,hyper=", format!("there is no level \"\" in hyper=: {levels}")),
            (
                "info=debug",
                "info in info=debug is a level, where a module's name is expected".to_owned(),
            ),
            ("", format!("there is no level: {levels}")),
            (" ,", format!("there is no level: {levels}")),
        ] {
            assert_eq!(check(filter), Err(says), "{filter}");
        }
    }
}
