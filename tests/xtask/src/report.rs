//! What a suite came to, and the summary at the end of a run.

use std::time::Duration;

use crate::cargo::Counts;

/// How a suite ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything in it passed.
    Passed,
    /// Something failed; a sentence where its output does not say it.
    Failed(String),
    /// This machine cannot run it, and why.
    Skipped(String),
}

/// One suite's line in the summary.
#[derive(Debug)]
pub struct Outcome {
    /// The suite.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// How many of its tests passed and failed; a check without tests counts as one.
    pub counts: Counts,
    /// What was left out, although the suite ran.
    pub remark: Option<String>,
    /// How long it took, building included.
    pub took: Duration,
}

/// The table, the reasons, and the closing line `N passed, N failed`. Where nothing may be left out (`strict`), a
/// skipped suite counts as failed.
pub fn summary(outcomes: &[Outcome], strict: bool) -> (String, bool) {
    let mut text = format!(
        "\n{:<12} {:<8} {:>7} {:>7} {:>9}\n",
        "suite", "", "passed", "failed", "seconds"
    );
    let (mut passed, mut failed) = (0, 0);
    let mut reasons = String::new();
    for outcome in outcomes {
        let seconds = outcome.took.as_secs_f64();
        let Counts {
            passed: good,
            failed: bad,
            ignored,
            ..
        } = outcome.counts;
        let mut say = |what: &str, why: &str| reasons.push_str(&format!("{what} {}: {why}\n", outcome.name));
        let word = match &outcome.verdict {
            Verdict::Passed => "ok",
            Verdict::Failed(why) => {
                say("failed", why.lines().next().unwrap_or_default());
                "FAILED"
            }
            Verdict::Skipped(why) => {
                say("skipped", why);
                failed += usize::from(strict);
                "skipped"
            }
        };
        if ignored > 0 {
            say("left out of", &format!("{ignored} tests (cargo xtask test long)"));
        }
        if let Some(remark) = &outcome.remark {
            say("in", remark);
        }
        passed += good;
        failed += bad;
        text.push_str(&format!(
            "{:<12} {word:<8} {good:>7} {bad:>7} {seconds:>9.1}\n",
            outcome.name
        ));
    }
    (
        format!("{text}\n{reasons}{passed} passed, {failed} failed"),
        failed == 0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict, passed: usize, failed: usize) -> Outcome {
        let counts = Counts {
            passed,
            failed,
            ..Counts::default()
        };
        Outcome {
            name: "peers",
            verdict,
            counts,
            remark: None,
            took: Duration::from_secs(3),
        }
    }

    #[test]
    fn the_last_line_counts_what_ran() {
        let outcomes = [
            outcome(Verdict::Passed, 10, 0),
            outcome(Verdict::Failed("two broke".into()), 3, 2),
        ];
        let (text, good) = summary(&outcomes, false);
        assert_eq!(text.lines().last(), Some("13 passed, 2 failed"));
        assert!(!good);
    }

    #[test]
    fn a_skipped_suite_is_named_with_its_reason_and_fails_only_where_nothing_may_be_left_out() {
        let outcomes = [outcome(Verdict::Skipped("needs root".into()), 0, 0)];
        let (text, good) = summary(&outcomes, false);
        assert!(text.contains("skipped peers: needs root") && good);
        let (text, good) = summary(&outcomes, true);
        assert_eq!(text.lines().last(), Some("0 passed, 1 failed"));
        assert!(!good);
    }
}
