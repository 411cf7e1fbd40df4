//! The ranges of a histogram: few, beside each other, with round numbers as their ends. Pure.

use std::hash::{Hash, Hasher};

use chrono::{Datelike, NaiveDate};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;
/// From here on every whole double has its neighbours within one.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Days from the year 1 to 1970.
const UNIX_EPOCH_DAYS: i64 = 719_163;

/// Where ranges begin, ascending, and where the last one ends; without an end it holds all that is greater.
#[derive(Debug, Clone)]
pub(super) enum Edges {
    Whole { lows: Vec<i64>, end: Option<i64> },
    Double { lows: Vec<f64>, end: Option<f64> },
}

impl Edges {
    /// How many ranges there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole { lows, .. } => lows.len(),
            Self::Double { lows, .. } => lows.len(),
        }
    }

    /// The range that holds a whole number.
    pub(super) fn of_whole(&self, value: i64) -> Option<usize> {
        match self {
            Self::Whole { lows, .. } => lows.partition_point(|low| *low <= value).checked_sub(1),
            Self::Double { .. } => self.of_double(value as f64),
        }
    }

    /// The range that holds a double; none for what is not finite.
    pub(super) fn of_double(&self, value: f64) -> Option<usize> {
        match self {
            Self::Double { lows, .. } if value.is_finite() => lows.partition_point(|low| *low <= value).checked_sub(1),
            _ => None,
        }
    }

    /// Its numbers as bits, to compare by.
    fn bits(&self) -> Vec<u64> {
        match self {
            Self::Whole { lows, end } => lows.iter().chain(end).map(|low| low.cast_unsigned()).collect(),
            Self::Double { lows, end } => lows.iter().chain(end).map(|low| low.to_bits()).collect(),
        }
    }
}

impl PartialEq for Edges {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && self.len() == other.len()
            && self.bits() == other.bits()
    }
}

impl Eq for Edges {}

impl Hash for Edges {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().hash(state);
    }
}

/// At most `most` ranges of whole numbers that hold `min` and `max`.
pub(super) fn whole(min: i64, max: i64, most: usize) -> Edges {
    let steps = (0..19).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_i128.pow(power)));
    let found = steps.chain([i128::from(u64::MAX)]).find_map(|step| multiples(min, max, most, step));
    found.unwrap_or_else(|| open(min))
}

/// One range of all that is not less than `min`.
fn open(min: i64) -> Edges {
    Edges::Whole { lows: vec![min], end: None }
}

/// Ranges of `step` numbers, if they are few enough.
fn multiples(min: i64, max: i64, most: usize, step: i128) -> Option<Edges> {
    let (first, last) = (i128::from(min).div_euclid(step), i128::from(max).div_euclid(step));
    if last - first >= most as i128 {
        return None;
    }
    let fits = |edge: i128| i64::try_from(edge).ok();
    let lows = (first..=last).map(|n| fits(n * step).unwrap_or(i64::MIN)).collect();
    Some(Edges::Whole { lows, end: fits((last + 1) * step) })
}

/// At most `most` ranges of points in time, in microseconds since 1970.
pub(super) fn times(min: i64, max: i64, most: usize) -> Edges {
    let fractions = (0..6).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_i64.pow(power)));
    let seconds = [1, 2, 5, 10, 15, 30].map(|n| n * SECOND);
    let minutes = [1, 2, 5, 10, 15, 30].map(|n| n * MINUTE);
    let hours = [1, 2, 3, 6, 12].map(|n| n * HOUR);
    let days = [1, 2, 5, 10].map(|n| n * DAY);
    let mut steps = fractions.chain(seconds).chain(minutes).chain(hours).chain(days);
    let even = steps.find_map(|step| multiples(min, max, most, i128::from(step)));
    even.or_else(|| months(min.div_euclid(DAY), max.div_euclid(DAY), most, DAY)).unwrap_or_else(|| open(min))
}

/// At most `most` ranges of days since 1970.
pub(super) fn dates(min: i64, max: i64, most: usize) -> Edges {
    let even = [1, 2, 5, 10].into_iter().find_map(|step| multiples(min, max, most, step));
    even.or_else(|| months(min, max, most, 1)).unwrap_or_else(|| open(min))
}

/// Ranges of whole months or years between two days, counted in units of which a day has `unit`.
fn months(min: i64, max: i64, most: usize, unit: i64) -> Option<Edges> {
    let month = |days: i64| {
        let date = NaiveDate::from_num_days_from_ce_opt(i32::try_from(days + UNIX_EPOCH_DAYS).ok()?)?;
        Some(i64::from(date.year()) * 12 + i64::from(date.month0()))
    };
    let start = |month: i64| {
        let (year, month) = (i32::try_from(month.div_euclid(12)).ok()?, u32::try_from(month.rem_euclid(12)).ok()?);
        let date = NaiveDate::from_ymd_opt(year, month + 1, 1)?;
        (i64::from(date.num_days_from_ce()) - UNIX_EPOCH_DAYS).checked_mul(unit)
    };
    let (first, last) = (month(min)?, month(max)?);
    let years = (0..4).flat_map(|power| [1, 2, 5].map(|digit| digit * 12 * 10_i64.pow(power)));
    let step = [1, 2, 3, 6]
        .into_iter()
        .chain(years)
        .find(|step| last.div_euclid(*step) - first.div_euclid(*step) < i64::try_from(most).unwrap_or(i64::MAX))?;
    let lows = (first.div_euclid(step)..=last.div_euclid(step)).map(|n| start(n * step)).collect::<Option<_>>()?;
    Some(Edges::Whole { lows, end: start((last.div_euclid(step) + 1) * step) })
}

/// At most `most` ranges of doubles that hold `min` and `max`, which are finite.
pub(super) fn doubles(min: f64, max: f64, most: usize) -> Edges {
    let span = max - min;
    let one = Edges::Double { lows: vec![min], end: None };
    if span <= 0.0 || !span.is_finite() {
        return one;
    }
    let least = (span / most as f64).log10().floor() as i32;
    let steps = (least..least + 3).flat_map(|power| [1, 2, 5].map(|digit| (digit, power)));
    steps.into_iter().find_map(|(digit, power)| even(min, max, most, digit, power)).unwrap_or(one)
}

fn even(min: f64, max: f64, most: usize, digit: i64, power: i32) -> Option<Edges> {
    // a quotient of whole numbers is the double that is nearest to its decimal, a product with a fraction is not
    let edge = |n: i64| match power {
        0.. => (n * digit) as f64 * 10_f64.powi(power),
        _ => (n * digit) as f64 / 10_f64.powi(-power),
    };
    let step = digit as f64 * 10_f64.powi(power);
    let (first, last) = ((min / step).floor(), (max / step).floor());
    let far = first.abs().max(last.abs());
    if far.is_nan() || far >= EXACT / 10.0 || last - first >= most as f64 {
        return None;
    }
    let (mut first, mut last) = (first as i64, last as i64);
    // what the division rounded away
    while edge(first) > min {
        first -= 1;
    }
    while edge(last + 1) <= max {
        last += 1;
    }
    let lows: Vec<f64> = (first..=last).map(edge).collect();
    let rising = lows.is_sorted_by(|a, b| a < b) && lows.last().is_some_and(|low| *low < edge(last + 1));
    (rising && lows.len() <= most).then(|| Edges::Double { lows, end: Some(edge(last + 1)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ends(edges: &Edges) -> (Vec<i64>, Option<i64>) {
        match edges {
            Edges::Whole { lows, end } => (lows.clone(), *end),
            Edges::Double { .. } => panic!("{edges:?}"),
        }
    }

    #[test]
    fn ends_are_round_numbers() {
        assert_eq!(ends(&whole(1, 12, 24)), ((1..=12).collect(), Some(13)));
        assert_eq!(ends(&whole(-43, 1301, 24)), ((-1..=13).map(|n| n * 100).collect(), Some(1400)));
        assert_eq!(ends(&whole(7, 7, 24)), (vec![7], Some(8)));
        assert_eq!(ends(&whole(i64::MIN, i64::MAX, 4)).1, None);
        let Edges::Double { lows, end } = doubles(0.11, 0.97, 10) else { panic!() };
        assert_eq!((lows, end), (vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], Some(1.0)));
    }

    #[test]
    fn a_year_has_its_months() {
        let day = |y, m, d| i64::from(NaiveDate::from_ymd_opt(y, m, d).unwrap().num_days_from_ce()) - UNIX_EPOCH_DAYS;
        let (lows, end) = ends(&times(day(2013, 1, 1) * DAY, day(2013, 12, 31) * DAY, 24));
        assert_eq!(lows.len(), 12);
        assert_eq!((lows[1], end), (day(2013, 2, 1) * DAY, Some(day(2014, 1, 1) * DAY)));
        let (lows, _) = ends(&dates(day(1900, 5, 5), day(2020, 1, 1), 24));
        assert_eq!((lows[0], lows[1]), (day(1900, 1, 1), day(1910, 1, 1)));
        assert_eq!(ends(&times(0, 59 * SECOND, 24)).0.len(), 12);
    }

    #[test]
    fn strange_doubles_get_one_range() {
        for (min, max) in [(2.5, 2.5), (f64::MIN, f64::MAX), (1e300, 1e300 * 1.000_000_000_000_001)] {
            let edges = doubles(min, max, 24);
            assert!(edges.of_double(min).is_some() && edges.of_double(max).is_some() && edges.len() <= 24);
        }
        assert_eq!(doubles(0.0, 1.0, 8).of_double(f64::NAN), None);
        assert_eq!(doubles(0.0, 1.0, 8).of_double(f64::INFINITY), None);
    }

    fn checked(edges: &Edges, most: usize) -> bool {
        let rising = match edges {
            Edges::Whole { lows, end } => {
                lows.is_sorted_by(|a, b| a < b) && end.is_none_or(|end| lows.last().is_some_and(|low| *low < end))
            }
            Edges::Double { lows, end } => {
                lows.is_sorted_by(|a, b| a < b) && end.is_none_or(|end| lows.last().is_some_and(|low| *low < end))
            }
        };
        rising && edges.len() <= most
    }

    proptest! {
        #[test]
        fn whole_numbers_are_held(a: i64, b: i64, most in 1_usize..40) {
            let (min, max) = (a.min(b), a.max(b));
            for edges in [whole(min, max, most), times(min, max, most), dates(min >> 20, max >> 20, most)] {
                prop_assert!(checked(&edges, most.max(1)), "{edges:?}");
            }
            let edges = whole(min, max, most);
            let (low, end) = (ends(&edges).0[0], ends(&edges).1);
            prop_assert!(low <= min && end.is_none_or(|end| max < end), "{edges:?}");
        }

        #[test]
        fn doubles_are_held(a in -1e12_f64..1e12, b in 1e-9_f64..1e12, most in 2_usize..40) {
            let edges = doubles(a, a + b, most);
            prop_assert!(checked(&edges, most), "{edges:?}");
            let Edges::Double { lows, end } = &edges else { panic!() };
            prop_assert!(lows[0] <= a && end.is_none_or(|end| a + b < end), "{edges:?}");
        }
    }
}
