//! What the comparison says, in sentences.

use super::{AlignedBy, AreaName, Diff, Row};
use crate::compare::{Answer, Needs};
use crate::figure::Quantity;
use crate::text::capital;
use damo_model::Nanos;
use damo_model::human::{Style, count_text, format_size_f64, time_text};

/// So many mappings are named in a sentence.
const MOST_NAMED: usize = 3;
/// Percentages beyond this, and intervals that are wider, are told as sizes.
const MOST_PERCENT: f64 = 1000.0;
const MOST_WITHIN: f64 = 100.0;
/// So many more runs can be asked of people.
const FEW_RUNS: u64 = 10;
/// Beyond this it makes no difference how many.
const MOST_RUNS: u64 = 1000;

impl Quantity {
    /// What is compared, for people.
    pub(crate) fn words(self) -> String {
        match self {
            Quantity::WorkingSet => "working set".to_owned(),
            Quantity::Hot => "hot set".to_owned(),
            Quantity::ColdShare(age) => format!("idle for {}", short_time(age)),
            Quantity::Resident => "resident memory".to_owned(),
        }
    }
}

/// A time of whole seconds, minutes or hours.
pub(crate) fn short_time(time: Nanos) -> String {
    const SECOND: i64 = 1_000_000_000;
    let units = [(3600 * SECOND, "h"), (60 * SECOND, "min"), (SECOND, "s")];
    let unit = units.into_iter().find(|(length, _)| time.0 >= *length && time.0 % length == 0);
    unit.map_or_else(|| time_text(time).to_string(), |(length, name)| format!("{} {name}", time.0 / length))
}

/// A time in whole seconds.
pub(super) fn seconds(time: Nanos) -> String {
    const SECOND: i64 = 1_000_000_000;
    time_text(Nanos(time.0.saturating_add(SECOND / 2) / SECOND * SECOND)).to_string()
}

/// A time rounded up to what "about" means.
fn about(time: Nanos) -> String {
    const SECOND: i64 = 1_000_000_000;
    let step = [(7200, 3600), (120, 60), (20, 5)].into_iter().find(|(from, _)| time.0 >= from * SECOND);
    let step = step.map_or(SECOND, |(_, step)| step * SECOND);
    short_time(Nanos(time.0.saturating_add(step - 1) / step * step))
}

impl Needs {
    /// What is needed, as in "about 3 more runs of each side, or runs that are 40 s longer".
    pub fn words(&self) -> String {
        let runs = match self.runs {
            ..=MOST_RUNS => format!("about {} of each side", count_text(self.runs, "more run")),
            _ => format!("more than {MOST_RUNS} more runs of each side"),
        };
        match self.time {
            Some(time) if time.0 > 0 => format!("{runs}, or runs that are {} longer", about(time)),
            _ => runs,
        }
    }
}

impl Row {
    /// The difference with half of the width of its interval, as in `+10.1 ± 1.9 %`.
    pub(crate) fn difference(&self) -> String {
        let of = &self.comparison;
        let percent = of.percent().map(|percent| (percent, of.within * 100.0 / of.base.value));
        if let (None, Some((percent, _))) = (self.answer, percent) {
            return format!("{percent:+.1} %");
        }
        match percent {
            _ if !of.figure.is_size() => format!("{:+.1} ± {:.1} pp", of.difference, of.within),
            Some((percent, within)) if percent.abs() < MOST_PERCENT && within < MOST_WITHIN => {
                format!("{percent:+.1} ± {within:.1} %")
            }
            _ => {
                // Both in the unit of the larger one.
                let largest = of.difference.abs().max(of.within);
                let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)].map(|(name, power)| (name, 2f64.powi(power)));
                let unit = units.into_iter().find(|(_, size)| largest >= *size);
                let (name, size) = unit.unwrap_or(("B", 1.0));
                format!("{:+.1} ± {:.1} {name}", of.difference / size, of.within / size)
            }
        }
    }

    fn is(&self, wanted: Quantity) -> bool {
        self.area.is_none() && self.comparison.figure.quantity == wanted
    }

    /// Whether there is a difference.
    pub fn has_changed(&self) -> bool {
        self.answer == Some(Answer::Changed)
    }

    fn is_same(&self) -> bool {
        self.answer == Some(Answer::NoChange)
    }

    /// What would tell, where it cannot be told.
    pub(crate) fn needs(&self) -> Option<Needs> {
        match self.answer {
            Some(Answer::CannotTell(needs)) => Some(needs),
            _ => None,
        }
    }

    /// As in "the working set grew by 10.1 % (mean 53.214 MiB → 58.512 MiB)".
    fn sentence(&self) -> String {
        let (of, figure) = (&self.comparison, &self.comparison.figure);
        let [base, new] = [of.base.value, of.new.value].map(|value| figure.show(value));
        let verb = if of.difference > 0.0 { "grew" } else { "shrank" };
        let (size, statistic) = (of.difference.abs(), figure.statistic.to_string());
        match (figure.quantity, of.percent()) {
            (Quantity::ColdShare(age), _) => {
                format!("the share that is idle for {} {verb} by {size:.1} pp ({base} to {new})", short_time(age))
            }
            (quantity, Some(percent)) => {
                format!("the {} {verb} by {:.1} % ({statistic} {base} to {new})", quantity.words(), percent.abs())
            }
            (quantity, None) => format!("the {} {verb} to {new} ({statistic})", quantity.words()),
        }
    }
}

impl Diff {
    /// What follows from the comparison, the most important first.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = self.changes();
        let guilty = self.phases.iter().filter(|phase| phase.working_set.as_ref().is_some_and(Row::has_changed));
        let guilty: Vec<&str> = guilty.map(|phase| phase.name.as_str()).collect();
        if !guilty.is_empty() && guilty.len() < self.phases.len() {
            let phases = if guilty.len() == 1 { "phase" } else { "phases" };
            sentences.push(format!("The working set changed in {phases} {}.", guilty.join(", ")));
        }
        let undecided: Vec<&Row> = self.rows.iter().filter(|row| row.needs().is_some()).collect();
        if sentences.is_empty() && undecided.is_empty() {
            let judged = self.rows.iter().filter(|row| row.answer.is_some()).count();
            let figures = count_text(judged as u64, "figure");
            sentences.push(format!("No change: of {figures}, none differs by more than the margin."));
        }
        let needed = |row: &Row| row.needs().map_or(0, |needs| needs.runs);
        let (few, many): (Vec<&Row>, Vec<&Row>) = undecided.iter().partition(|row| needed(row) <= FEW_RUNS);
        for (rows, is_few) in [(few, true), (many, false)] {
            let Some(needs) = most_needed(&rows) else { continue };
            let what = if sentences.is_empty() && rows.len() == undecided.len() && !self.rows.iter().any(Row::is_same) {
                "anything".to_owned()
            } else {
                joined(self.names(&rows))
            };
            let needs = if is_few { needs.words() } else { format!("more than {FEW_RUNS} more runs of each side") };
            sentences.push(format!("Cannot tell without {needs}: {what}."));
        }
        sentences
    }

    /// What follows, in so few words that they are a headline.
    pub(super) fn headline(&self) -> String {
        let changed = self.rows.iter().find(|row| row.area.is_none() && row.has_changed());
        let Some(row) = changed else { return self.sentences().into_iter().next().unwrap_or_default() };
        let (of, figure) = (&row.comparison, &row.comparison.figure);
        let difference = match of.percent() {
            Some(percent) if figure.is_size() => format!("{percent:+.1} %"),
            _ => figure.show_difference(of.difference),
        };
        let areas = if figure.quantity == Quantity::WorkingSet { self.changed_areas() } else { Vec::new() };
        let what = capital(&figure.quantity.words());
        [vec![format!("{what} {difference}")], areas].concat().join(", ")
    }

    /// How times were aligned, for people.
    pub(crate) fn alignment_words(&self) -> String {
        match self.aligned_by {
            AlignedBy::Marks(count) => format!("by {}", count_text(count as u64, "mark")),
            AlignedBy::Phases(count) => format!("by {}", count_text(count as u64, "phase")),
            AlignedBy::Share => "by share of the run".to_owned(),
        }
    }

    /// Which phases are compared, as in "phase 2 of the base, phase 3 of the new side"; `None` if all of the time is.
    pub(super) fn phase_words(&self) -> Option<String> {
        let side = |numbers: Vec<usize>| {
            let plural = if numbers.len() == 1 { "phase" } else { "phases" };
            let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
            format!("{plural} {}", numbers.join(", "))
        };
        let base = side(self.of_phases.iter().map(|(base, _)| *base).collect());
        let new = side(self.of_phases.iter().map(|(_, new)| *new).collect());
        let words = if base == new {
            format!("{base} of both sides")
        } else {
            format!("{base} of the base, {new} of the new side")
        };
        (!self.of_phases.is_empty()).then_some(words)
    }

    /// A sentence for each quantity that changed, with the mappings that are guilty.
    fn changes(&self) -> Vec<String> {
        let changed = |row: &&Row| row.has_changed();
        let mut sentences = Vec::new();
        let mut quantities: Vec<Quantity> = Vec::new();
        for row in self.rows.iter().filter(changed).filter(|row| row.area.is_none()) {
            let quantity = row.comparison.figure.quantity;
            if quantities.contains(&quantity) {
                continue;
            }
            quantities.push(quantity);
            let mut sentence = row.sentence();
            if quantity == Quantity::WorkingSet {
                let areas = self.changed_areas();
                sentence += &if areas.is_empty() { String::new() } else { format!(": {}", areas.join(", ")) };
            }
            sentences.push(capital(&sentence) + ".");
        }
        // Mappings may change places with one another.
        if !quantities.contains(&Quantity::WorkingSet) {
            let areas = self.changed_areas();
            if !areas.is_empty() {
                let whole = self.rows.iter().any(|row| row.is(Quantity::WorkingSet));
                let stays = if whole { ", though the working set as a whole is not known to have changed" } else { "" };
                sentences.push(format!("Changed: {}{stays}.", areas.join(", ")));
            }
        }
        sentences
    }

    /// The mappings that changed, those that changed most first.
    fn changed_areas(&self) -> Vec<String> {
        let mut rows: Vec<(&AreaName, f64)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.has_changed()) {
            let difference = row.comparison.difference;
            if let Some(area) = &row.area
                && !rows.iter().any(|(known, _)| *known == area)
            {
                rows.push((area, difference));
            }
        }
        rows.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        let size = |difference: f64| {
            let sign = if difference < 0.0 { "-" } else { "+" };
            format!("{sign}{}", format_size_f64(difference.abs(), Style::Human))
        };
        rows.into_iter().take(MOST_NAMED).map(|(area, difference)| format!("{area} {}", size(difference))).collect()
    }

    /// What rows are of, each with its statistics.
    fn names(&self, rows: &[&Row]) -> Vec<String> {
        let mut names: Vec<(String, Vec<String>)> = Vec::new();
        for row in rows {
            let figure = &row.comparison.figure;
            let name = row.area.as_ref().map_or_else(|| figure.quantity.words(), AreaName::to_string);
            let alone = row.area.is_some() || matches!(figure.quantity, Quantity::ColdShare(_));
            let statistic = if alone { None } else { Some(figure.statistic.to_string()) };
            match names.iter_mut().find(|(known, _)| *known == name) {
                Some((_, statistics)) => statistics.extend(statistic),
                None => names.push((name, statistic.into_iter().collect())),
            }
        }
        let with = |(name, statistics): (String, Vec<String>)| match statistics.is_empty() {
            true => name,
            false => format!("{name} ({})", statistics.join(", ")),
        };
        names.into_iter().map(with).collect()
    }
}

/// What would decide all of these.
fn most_needed(rows: &[&Row]) -> Option<Needs> {
    let needs = rows.iter().filter_map(|row| row.needs());
    needs.reduce(|a, b| Needs { runs: a.runs.max(b.runs), time: a.time.zip(b.time).map(|(a, b)| a.max(b)) })
}

fn joined(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(2 * MOST_NAMED);
    names.truncate(2 * MOST_NAMED);
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_rounded_to_what_people_say() {
        let needs = |runs, seconds: f64| Needs { runs, time: Some(Nanos((seconds * 1e9) as i64)) }.words();
        assert_eq!(needs(1, 41.2), "about 1 more run of each side, or runs that are 45 s longer");
        assert_eq!(needs(12, 200.0), "about 12 more runs of each side, or runs that are 4 min longer");
        assert_eq!(Needs { runs: 9999, time: None }.words(), "more than 1000 more runs of each side");
    }
}
