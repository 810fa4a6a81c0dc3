//! What was measured, as a table for people and as JSON for programs, and whether it meets the targets.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::phone::Kind;

/// What is measured, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// From the start of the program to the binding in the registrar, over TLS.
    Start,
    /// From the command to the exchange's dial plan.
    Dial,
    /// From the command to the first sample of the far end at the loudspeaker.
    Click,
    /// Wake-ups of a phone that is registered and does nothing.
    IdleWakeups,
    /// Its processor time.
    IdleCpu,
    /// Its memory.
    IdleRss,
    /// Its share of memory.
    IdlePss,
    /// Processor time of a call with speech both ways.
    CallCpu,
    /// Wake-ups in it.
    CallWakeups,
    /// Memory in it.
    CallRss,
    /// Share of memory in it.
    CallPss,
    /// From the microphone through the exchange's echo to the loudspeaker.
    RoundTrip,
    /// PESQ-WB of speech that the exchange plays, at the loudspeaker.
    Pesq,
}

/// What a row must come to.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// Reported only.
    None,
    /// At most this many times baresip's median.
    TimesBaresip(f64),
    /// At most the better of the others' medians.
    BestOther,
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// At most this, but a miss fails nothing yet.
    Aim(f64),
}

/// Whether a row meets its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has none.
    NoTarget,
    /// It does.
    Pass,
    /// It does not, or was not measured.
    Fail,
    /// It does not meet what is only aimed at.
    Short,
}

impl Row {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Start,
        Self::Dial,
        Self::Click,
        Self::IdleWakeups,
        Self::IdleCpu,
        Self::IdleRss,
        Self::IdlePss,
        Self::CallCpu,
        Self::CallWakeups,
        Self::CallRss,
        Self::CallPss,
        Self::RoundTrip,
        Self::Pesq,
    ];

    /// Its name in JSON, its title in the table, its decimal places, and its target.
    const fn about(self) -> (&'static str, &'static str, usize, Target) {
        use Target::{Aim, AtLeast, AtMost, BestOther, None, TimesBaresip};
        match self {
            Self::Start => ("start_ms", "start to registered, ms", 1, TimesBaresip(1.2)),
            Self::Dial => ("dial_ms", "dial to dial plan, ms", 1, None),
            Self::Click => ("click_ms", "click to first sample, ms", 0, TimesBaresip(0.4)),
            Self::IdleWakeups => ("idle_wakeups", "idle: wake-ups/s", 2, AtMost(0.2)),
            Self::IdleCpu => ("idle_cpu", "idle: CPU, % of a core", 3, None),
            Self::IdleRss => ("idle_rss", "idle: RSS, MiB", 1, AtMost(16.0)),
            Self::IdlePss => ("idle_pss", "idle: PSS, MiB", 1, None),
            Self::CallCpu => ("call_cpu", "call: CPU, % of a core", 2, BestOther),
            Self::CallWakeups => ("call_wakeups", "call: wake-ups/s", 0, Aim(250.0)),
            Self::CallRss => ("call_rss", "call: RSS, MiB", 1, None),
            Self::CallPss => ("call_pss", "call: PSS, MiB", 1, None),
            Self::RoundTrip => ("round_trip_ms", "mouth, echo, ear, ms", 1, Aim(120.0)),
            Self::Pesq => ("pesq", "PESQ-WB, clean", 2, AtLeast(4.2)),
        }
    }
}

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    values: BTreeMap<(Row, &'static str), Vec<f64>>,
    loads: BTreeMap<Row, Vec<f64>>,
}

impl Report {
    /// Adds what was measured for a phone.
    pub fn add(&mut self, row: Row, kind: Kind, values: impl IntoIterator<Item = f64>) {
        self.values.entry((row, kind.name())).or_default().extend(values);
    }

    /// Notes how busy the machine was during the measurement of a row.
    pub fn note_load(&mut self, row: Row, load: f64) {
        self.loads.entry(row).or_default().push(load);
    }

    /// Whether every row that was measured meets its target.
    pub fn is_good(&self) -> bool {
        self.rows().all(|row| self.verdict(row) != Verdict::Fail)
    }

    /// Whether `row` meets its target.
    pub fn verdict(&self, row: Row) -> Verdict {
        let Some(ours) = self.median(row, Kind::Toestel) else {
            return Verdict::Fail;
        };
        let judged = |good: bool, otherwise| if good { Verdict::Pass } else { otherwise };
        match (row.about().3, self.limit(row)) {
            (Target::None, _) => Verdict::NoTarget,
            (Target::AtLeast(_), Some(limit)) => judged(ours >= limit, Verdict::Fail),
            (Target::Aim(_), Some(limit)) => judged(ours <= limit, Verdict::Short),
            (_, Some(limit)) => judged(ours <= limit, Verdict::Fail),
            (_, None) => Verdict::Fail,
        }
    }

    /// The number that the target comes to.
    fn limit(&self, row: Row) -> Option<f64> {
        let baresip = self.median(row, Kind::Baresip);
        match row.about().3 {
            Target::None => None,
            Target::TimesBaresip(times) => Some(baresip? * times),
            Target::BestOther => [baresip, self.median(row, Kind::Linphone)]
                .into_iter()
                .flatten()
                .reduce(f64::min),
            Target::AtMost(limit) | Target::AtLeast(limit) | Target::Aim(limit) => Some(limit),
        }
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        Row::ALL.into_iter().filter(|row| self.loads.contains_key(row))
    }

    fn sorted(&self, row: Row, kind: Kind) -> Vec<f64> {
        let mut values = self.values.get(&(row, kind.name())).cloned().unwrap_or_default();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self, row: Row, kind: Kind) -> Option<f64> {
        let values = self.sorted(row, kind);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some((lower + upper) / 2.0)
    }

    fn load(&self, row: Row) -> f64 {
        self.loads.get(&row).into_iter().flatten().copied().fold(0.0, f64::max)
    }

    /// The table, in Markdown.
    pub fn table(&self) -> String {
        let mut text = String::from(
            "| measure: median (min–max) | toestel | baresip | linphone | ÷ baresip | ÷ linphone | target | | load |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for row in self.rows() {
            let (_, title, places, target) = row.about();
            let [ours, baresip, linphone] = Kind::ALL.map(|kind| self.cell(row, kind, places));
            let [_, by_baresip, by_linphone] = Kind::ALL.map(|kind| self.ratio(row, kind));
            let wanted = match (target, self.limit(row)) {
                (Target::None, _) => String::new(),
                (_, None) => "the others' is missing".to_owned(),
                (Target::AtLeast(_), Some(limit)) => format!("≥ {limit:.places$}"),
                (Target::Aim(_), Some(limit)) => format!("aim ≤ {limit:.places$}"),
                (_, Some(limit)) => format!("≤ {limit:.places$}"),
            };
            let verdict = match self.verdict(row) {
                Verdict::NoTarget => "",
                Verdict::Pass => "pass",
                Verdict::Fail => "FAIL",
                Verdict::Short => "short",
            };
            let _ = writeln!(
                text,
                "| {title} | {ours} | {baresip} | {linphone} | {by_baresip} | {by_linphone} | {wanted} | {verdict} | {:.1} |",
                self.load(row)
            );
        }
        text
    }

    fn cell(&self, row: Row, kind: Kind, places: usize) -> String {
        let values = self.sorted(row, kind);
        match (self.median(row, kind), values.as_slice()) {
            (Some(median), [_]) => format!("{median:.places$}"),
            (Some(median), [least, .., most]) => {
                format!("{median:.places$} ({least:.places$}–{most:.places$})")
            }
            _ => "–".to_owned(),
        }
    }

    fn ratio(&self, row: Row, kind: Kind) -> String {
        let both = self.median(row, Kind::Toestel).zip(self.median(row, kind));
        both.filter(|(_, theirs)| *theirs > 0.0)
            .map_or_else(|| "–".to_owned(), |(ours, theirs)| format!("{:.2}", ours / theirs))
    }

    /// The same for programs: every value that was measured.
    pub fn json(&self) -> Value {
        let rows = self.rows().map(|row| {
            let phones = Kind::ALL.map(|kind| {
                let values = self.sorted(row, kind);
                let figures = json!({ "median": self.median(row, kind), "min": values.first(), "max": values.last(), "values": values });
                (kind.name().to_owned(), figures)
            });
            let mut entry: serde_json::Map<String, Value> = phones.into_iter().collect();
            entry.insert("limit".to_owned(), json!(self.limit(row)));
            entry.insert("verdict".to_owned(), json!(format!("{:?}", self.verdict(row)).to_lowercase()));
            entry.insert("load".to_owned(), json!(self.load(row)));
            (row.about().0.to_owned(), Value::Object(entry))
        });
        Value::Object(rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(row: Row, ours: f64, baresip: &[f64], linphone: f64) -> Report {
        let mut report = Report::default();
        report.add(row, Kind::Toestel, [ours]);
        report.add(row, Kind::Baresip, baresip.iter().copied());
        report.add(row, Kind::Linphone, [linphone]);
        report.note_load(row, 0.5);
        report
    }

    #[test]
    fn a_target_is_a_multiple_of_the_median_of_the_other() {
        let others = [10.0, 90.0, 20.0];
        assert_eq!(
            measured(Row::Start, 24.0, &others, 1.0).verdict(Row::Start),
            Verdict::Pass
        );
        assert_eq!(
            measured(Row::Start, 24.1, &others, 1.0).verdict(Row::Start),
            Verdict::Fail
        );
        let table = measured(Row::Start, 24.0, &others, 12.0).table();
        assert!(
            table.contains("20.0 (10.0–90.0)") && table.contains("| 1.20 | 2.00 | ≤ 24.0 | pass |"),
            "{table}"
        );
    }

    #[test]
    fn the_processor_is_judged_by_the_better_of_the_others() {
        assert_eq!(
            measured(Row::CallCpu, 3.5, &[4.0], 3.4).verdict(Row::CallCpu),
            Verdict::Fail
        );
        assert_eq!(
            measured(Row::CallCpu, 3.4, &[4.0], 3.4).verdict(Row::CallCpu),
            Verdict::Pass
        );
    }

    #[test]
    fn a_missed_aim_fails_nothing_and_a_missing_figure_does() {
        let aim = measured(Row::RoundTrip, 130.0, &[200.0], 150.0);
        assert_eq!(aim.verdict(Row::RoundTrip), Verdict::Short);
        assert!(aim.is_good());
        let mut missing = Report::default();
        missing.note_load(Row::Pesq, 0.0);
        assert!(!missing.is_good());
    }

    #[test]
    fn json_holds_every_value() {
        let json = measured(Row::Pesq, 4.5, &[4.0, 4.2], 3.9).json();
        assert_eq!(json["pesq"]["baresip"]["values"], json!([4.0, 4.2]));
        assert_eq!(json["pesq"]["verdict"], "pass");
    }
}
