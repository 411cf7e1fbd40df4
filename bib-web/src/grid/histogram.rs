//! How a column is spread, as bars with lengths in the units of their picture. Pure.

use crate::format::count;
use bib_proto::v1::Bar;

/// Width and height of the picture.
pub(crate) const WIDTH: f64 = 120.0;
pub(crate) const HEIGHT: f64 = 28.0;
/// What a bar has at least, so that a single row is seen beside a million.
const LEAST: f64 = 1.5;
/// Between bars.
const GAP: f64 = 1.0;

/// One bar and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BarView {
    /// Place and size of the bar, and of what can be pointed at around it.
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) reach: String,
    /// `30 to 35`, or a value.
    pub(crate) label: String,
    /// `1,204`
    pub(crate) rows: String,
    /// The page of these rows; empty when they cannot be asked for.
    pub(crate) link: String,
    /// Whether it stands for all values that have no bar of their own.
    pub(crate) others: bool,
}

/// The bars of a histogram; `others` are rows that have no bar of their own, and `link` makes the page of a condition.
pub(crate) fn bars(bars: &[Bar], others: u64, link: impl Fn(&str) -> String) -> Vec<BarView> {
    let rest = (others > 0).then(|| Bar { from: "others".to_owned(), count: others, ..Bar::default() });
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
    let all: Vec<(&Bar, bool)> =
        bars.iter().map(|bar| (bar, false)).chain(rest.iter().map(|bar| (bar, true))).collect();
    let step = WIDTH / (all.len().max(1) as f64);
    let view = |(at, (bar, others)): (usize, &(&Bar, bool))| {
        let share = bar.count.min(most) as f64 / most as f64;
        let height = if bar.count == 0 { 0.0 } else { (share * HEIGHT).max(LEAST) };
        BarView {
            x: length(at as f64 * step),
            y: length(HEIGHT - height),
            width: length((step - GAP).max(step * 0.6).min(18.0)),
            height: length(height),
            reach: length(step),
            label: label(bar),
            rows: count(bar.count),
            link: if bar.filter.is_empty() { String::new() } else { link(&bar.filter) },
            others: *others,
        }
    };
    all.iter().enumerate().map(view).collect()
}

fn label(bar: &Bar) -> String {
    let (from, to) = (short(&bar.from), short(&bar.to));
    match (from.as_str(), to.is_empty()) {
        ("", true) => "empty text".to_owned(),
        (_, true) => from,
        _ => format!("{from} to {to}"),
    }
}

/// A point in time without the parts that say nothing.
pub(crate) fn short(text: &str) -> String {
    let text = text.strip_suffix("T00:00:00Z").unwrap_or(text);
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Two decimals at most. A page has hundreds of them, and whole numbers are written many times as fast.
fn length(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths lie in a small picture")]
    let hundredths = (value.clamp(0.0, WIDTH) * 100.0).round() as u32;
    let (whole, part) = (hundredths / 100, hundredths % 100);
    match (part, part % 10) {
        (0, _) => whole.to_string(),
        (_, 0) => format!("{whole}.{}", part / 10),
        _ => format!("{whole}.{part:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fill_the_picture_and_small_ones_are_seen() {
        let bar = |from: &str, to: &str, count| Bar {
            from: from.into(),
            to: to.into(),
            count,
            filter: format!("r.x >= {from}"),
        };
        let made = bars(&[bar("0", "10", 1), bar("10", "20", 1_000_000), bar("20", "30", 0)], 0, |filter| {
            format!("?f={filter}")
        });
        assert_eq!((made[0].x.as_str(), made[1].x.as_str(), made[2].x.as_str()), ("0", "40", "80"));
        assert_eq!((made[0].height.as_str(), made[1].height.as_str(), made[2].height.as_str()), ("1.5", "28", "0"));
        assert_eq!((made[1].label.as_str(), made[1].rows.as_str()), ("10 to 20", "1,000,000"));
        assert_eq!(made[0].link, "?f=r.x >= 0");
        let made = bars(&[bar("JFK", "", 5)], 7, |_| String::new());
        assert!(made.len() == 2 && made[1].others && made[1].link.is_empty() && made[1].height == "28");
        assert_eq!(short("2013-01-01T00:00:00Z"), "2013-01-01");
        assert!(bars(&[], 0, |_| String::new()).is_empty());
        assert_eq!([0.0, 3.04, 17.999, 2.5, 120.0].map(length), ["0", "3.04", "18", "2.5", "120"]);
    }
}
