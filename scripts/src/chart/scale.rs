//! Axes: from what the data says to a share of the way along, and round places to mark.

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc};

use crate::table::{grouped, rounded};

const SECOND_MS: f64 = 1_000.0;
const DAY_MS: f64 = 86_400.0 * SECOND_MS;
/// Days of a month, on average.
const MONTH_DAYS: f64 = 30.44;
/// How near to zero data begins, as a share of its end, for an axis to begin at zero.
const NEAR_ZERO: f64 = 0.4;
/// Round numbers between the ends of an axis, about; its ends are two of them.
const ROUNDED_STEPS: f64 = 10.0;

/// What an axis shows, and what it is called.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// What the axis is called; empty for no title.
    pub(super) title: String,
    /// From values to places.
    pub(super) scale: Scale,
}

/// From values to places along an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scale {
    /// Numbers from low to high.
    Number {
        /// What stands at the start.
        low: f64,
        /// What stands at the end.
        high: f64,
    },
    /// Milliseconds since 1970 UTC from low to high.
    Time {
        /// What stands at the start.
        low: f64,
        /// What stands at the end.
        high: f64,
    },
    /// Names side by side; a value is the number of a name.
    Names(Vec<String>),
}

/// Whether an axis has to begin at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// What is drawn stands on zero.
    Zero,
    /// Zero is one number among others.
    Free,
}

/// A marked place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// The value there.
    pub(super) at: f64,
    /// What it reads.
    pub(super) label: String,
}

impl Scale {
    /// An axis of numbers from and to round ones, wide enough for all.
    pub(super) fn of_numbers(numbers: impl Iterator<Item = f64>, base: Base) -> Scale {
        let Some((mut low, mut high)) = extent(numbers) else {
            return Scale::Number {
                low: 0.0,
                high: 1.0,
            };
        };
        if base == Base::Zero || (low > 0.0 && low < NEAR_ZERO * high) {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        if low == high {
            let room = if low == 0.0 { 1.0 } else { low.abs() / 2.0 };
            (low, high) = match base {
                Base::Zero => (low, high + room),
                Base::Free => (low - room, high + room),
            };
        }
        let step = round_step((high - low) / ROUNDED_STEPS);
        Scale::Number {
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
        }
    }

    /// An axis of instants, just wide enough for all.
    pub(super) fn of_times(times: impl Iterator<Item = f64>) -> Scale {
        let (low, high) = extent(times).unwrap_or((0.0, DAY_MS));
        match low == high {
            true => Scale::Time {
                low: low - DAY_MS / 2.0,
                high: high + DAY_MS / 2.0,
            },
            false => Scale::Time { low, high },
        }
    }

    /// An axis of numbers from the first to the last: a line runs from edge to edge.
    pub(super) fn of_span(numbers: impl Iterator<Item = f64> + Clone) -> Scale {
        match extent(numbers.clone()) {
            Some((low, high)) if low < high => Scale::Number { low, high },
            _ => Scale::of_numbers(numbers, Base::Free),
        }
    }

    /// How far along a value is: 0 at the start, 1 at the end. Names are in the middle of their share.
    pub(super) fn share(&self, value: f64) -> f64 {
        match self {
            Scale::Number { low, high } | Scale::Time { low, high } => (value - low) / (high - low),
            Scale::Names(names) => (value + 0.5) / names.len().max(1) as f64,
        }
    }

    /// Round places, about as many as asked for; all names.
    pub(super) fn ticks(&self, most: usize) -> Vec<Tick> {
        match self {
            Scale::Number { low, high } => number_ticks(*low, *high, most),
            Scale::Time { low, high } => time_ticks(*low, *high, most),
            Scale::Names(names) => {
                let tick = |(at, name): (usize, &String)| Tick {
                    at: at as f64,
                    label: name.clone(),
                };
                names.iter().enumerate().map(tick).collect()
            }
        }
    }

    /// Names of an axis that has them.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Scale::Names(names) => names,
            _ => &[],
        }
    }
}

fn extent(numbers: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = numbers.filter(|x| x.is_finite());
    finite.fold(None, |extent, x| match extent {
        None => Some((x, x)),
        Some((low, high)) => Some((f64::min(low, x), f64::max(high, x))),
    })
}

/// The round number at or above a step: 1, 2 or 5, with zeros.
pub(super) fn round_step(step: f64) -> f64 {
    let size = 10f64.powf(step.log10().floor());
    let found = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|n| n * size >= step * 0.999_999);
    found.unwrap_or(10.0) * size
}

fn number_ticks(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let step = round_step((high - low) / most.max(1) as f64);
    let first = (low / step - 1e-9).ceil();
    let count = ((high / step + 1e-9).floor() - first).max(0.0) as usize + 1;
    let largest = low.abs().max(high.abs());
    let tick = |n: usize| {
        let at = (first + n as f64) * step;
        Tick {
            at,
            label: number_label(at, step, largest),
        }
    };
    (0..count.min(most.max(1) * 3)).map(tick).collect()
}

/// A number of an axis: no more digits than its steps need, large ones with a letter for their zeros.
fn number_label(x: f64, step: f64, largest: f64) -> String {
    let (unit, letter) = match largest {
        size if !(1e-6..1e15).contains(&size) => return rounded(x),
        size if size >= 1e9 => (1e9, "B"),
        size if size >= 1e6 => (1e6, "M"),
        _ => (1.0, ""),
    };
    let (x, step) = (x / unit, step / unit);
    if x.abs() < step / 1e6 {
        return "0".to_owned();
    }
    let digits = (-step.log10().floor()).max(0.0) as usize;
    if digits > 0 {
        return format!("{x:.digits$}{letter}");
    }
    let sign = if x < 0.0 { "-" } else { "" };
    format!("{sign}{}{letter}", grouped(x.abs().round() as usize))
}

/// Steps of time that people count in, in seconds; months and years follow.
const SECONDS: [f64; 16] = [
    0.001, 0.01, 0.1, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 10_800.0,
    21_600.0, 43_200.0, 86_400.0,
];
const DAYS: [f64; 3] = [2.0, 7.0, 14.0];
const MONTHS: [u32; 10] = [1, 3, 6, 12, 24, 60, 120, 240, 600, 1_200];

fn time_ticks(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let widest = (high - low) / most.max(1) as f64;
    let days = DAYS.map(|days| days * DAY_MS);
    let steps = SECONDS.map(|seconds| seconds * SECOND_MS);
    let step = steps.into_iter().chain(days).find(|step| *step >= widest);
    if let Some(step) = step {
        let first = (low / step).ceil();
        let count = ((high / step).floor() - first).max(-1.0) + 1.0;
        let format = match (step, high - low) {
            (step, _) if step >= DAY_MS => "%b %-d",
            (step, _) if step < 60.0 * SECOND_MS => "%H:%M:%S",
            (_, span) if span > DAY_MS => "%b %-d %H:%M",
            _ => "%H:%M",
        };
        let at = |n: usize| (first + n as f64) * step;
        return (0..count as usize)
            .filter_map(|n| tick(at(n), format))
            .collect();
    }
    let months = MONTHS
        .into_iter()
        .find(|months| f64::from(*months) * MONTH_DAYS * DAY_MS >= widest);
    month_ticks(low, high, months.unwrap_or(12_000))
}

fn month_ticks(low: f64, high: f64, months: u32) -> Vec<Tick> {
    let Some(start) = instant(low) else {
        return Vec::new();
    };
    let round = months.div_ceil(12) as i32;
    let year = match months >= 12 {
        true => start.year().div_euclid(round) * round,
        false => start.year(),
    };
    let mut date = NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or(NaiveDate::MIN);
    let format = if months >= 12 { "%Y" } else { "%b %Y" };
    let mut ticks = Vec::new();
    loop {
        let ms = date
            .and_time(chrono::NaiveTime::MIN)
            .and_utc()
            .timestamp_millis() as f64;
        if ms > high {
            return ticks;
        }
        if ms >= low {
            ticks.extend(tick(ms, format));
        }
        let Some(next) = date.checked_add_months(Months::new(months)) else {
            return ticks;
        };
        date = next;
    }
}

fn tick(at: f64, format: &str) -> Option<Tick> {
    let label = instant(at)?.format(format).to_string();
    Some(Tick { at, label })
}

fn instant(ms: f64) -> Option<DateTime<Utc>> {
    DateTime::<Utc>::UNIX_EPOCH.checked_add_signed(TimeDelta::try_milliseconds(ms as i64)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, most: usize) -> String {
        let ticks = scale.ticks(most).into_iter();
        ticks.map(|tick| tick.label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round() {
        let numbers = |numbers: &[f64], base| Scale::of_numbers(numbers.iter().copied(), base);
        assert_eq!(
            labels(&numbers(&[0.0, 97.0], Base::Free), 5),
            "0 20 40 60 80 100"
        );
        assert_eq!(
            labels(&numbers(&[93.0, 97.0], Base::Free), 5),
            "93 94 95 96 97"
        );
        assert_eq!(
            labels(&numbers(&[93.0, 97.0], Base::Zero), 5),
            "0 20 40 60 80 100"
        );
        assert_eq!(
            labels(&numbers(&[-0.31, 0.2], Base::Free), 5),
            "-0.4 -0.2 0 0.2"
        );
        assert_eq!(
            labels(&numbers(&[2.5e6, 0.0], Base::Free), 5),
            "0 0.5M 1.0M 1.5M 2.0M 2.5M"
        );
        assert_eq!(
            labels(&numbers(&[12_000.0, 0.0], Base::Free), 4),
            "0 5,000 10,000"
        );
        assert_eq!(labels(&numbers(&[7.0], Base::Free), 5), "4 6 8 10");
        assert_eq!(
            labels(&numbers(&[], Base::Free), 5),
            "0 0.2 0.4 0.6 0.8 1.0"
        );
    }

    #[test]
    fn times_are_marked_as_people_count_them() {
        let times = |from: &str, to: &str| {
            let ms = |text| datalith_engine::edn::parse_instant(text).unwrap() as f64;
            Scale::of_times([ms(from), ms(to)].into_iter())
        };
        assert_eq!(
            labels(&times("2026-01-31T10:00:00Z", "2026-01-31T10:20:00Z"), 5),
            "10:00 10:05 10:10 10:15 10:20"
        );
        assert_eq!(
            labels(&times("2026-01-30", "2026-02-02"), 4),
            "Jan 30 Jan 31 Feb 1 Feb 2"
        );
        assert_eq!(
            labels(&times("2025-11-20", "2026-06-02"), 4),
            "Jan 2026 Apr 2026"
        );
        assert_eq!(
            labels(&times("1995-11-20", "2026-06-02"), 4),
            "2000 2010 2020"
        );
    }
}
