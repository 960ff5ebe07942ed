//! Converts metrics, whatever their names, from the `OpenMetrics` text format to the older
//! Prometheus text format.
//!
//! Clients such as curl, promtool and older agents do not request `OpenMetrics`.

/// Converts `OpenMetrics` text to the older Prometheus text format. In the older format, `# HELP`
/// and `# TYPE` lines include the suffix `_total` of a counter, info metrics are gauges, and units
/// and the end marker do not exist.
#[must_use]
pub fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if line.starts_with("# HELP ") {
            // Keep the help line until the type line is read, because the metric name in the help
            // line depends on the type.
            help = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        } else if let Some((name, kind)) = type_of(line) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take().filter(|(helped, _)| *helped == name) {
                text.push_str(&format!("# HELP {name}{suffix} {help}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn type_of(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("# TYPE ")?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::classic;

    #[test]
    fn counters_and_informations_have_other_names() {
        let open = "# HELP f_writes Writes.\n# TYPE f_writes counter\n\
                    f_writes_total{kind=\"a\"} 3\n# HELP f_build The release.\n# TYPE f_build info\n\
                    f_build_info{version=\"1\"} 1\n# HELP f_age_seconds Age.\n\
                    # TYPE f_age_seconds gauge\n# UNIT f_age_seconds seconds\nf_age_seconds 2.5\n\
                    # EOF\n";
        let expected = "# HELP f_writes_total Writes.\n# TYPE f_writes_total counter\n\
                        f_writes_total{kind=\"a\"} 3\n# HELP f_build_info The release.\n\
                        # TYPE f_build_info gauge\nf_build_info{version=\"1\"} 1\n\
                        # HELP f_age_seconds Age.\n# TYPE f_age_seconds gauge\nf_age_seconds 2.5\n";
        assert_eq!(classic(open), expected);
    }
}
