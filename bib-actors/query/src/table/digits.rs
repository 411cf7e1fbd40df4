//! Numbers as nearly all are written: a few digits. Pure; what these do not take, `row/scalar.rs` reads.

/// Digits whose number always fits.
const INT_DIGITS: usize = 18;
/// Digits of a whole number that a double holds exactly.
const DOUBLE_DIGITS: usize = 15;

/// Powers of ten, which doubles hold exactly.
const POWERS: [f64; DOUBLE_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A whole number of a few digits.
pub(super) fn short_int(field: &[u8]) -> Option<i64> {
    let (negative, digits) = signed(field);
    if digits.is_empty() || digits.len() > INT_DIGITS {
        return None;
    }
    let number =
        digits.iter().try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))?;
    Some(if negative { -number } else { number })
}

/// A number of a few digits with a point among them or none. It is the nearest double, because what is divided is
/// exact.
pub(super) fn short_double(field: &[u8]) -> Option<f64> {
    let (negative, text) = signed(field);
    if text.len() > DOUBLE_DIGITS + 1 {
        return None;
    }
    let (mut number, mut point) = (0_u64, None);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => number = number * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let digits = text.len() - usize::from(point.is_some());
    if digits == 0 || digits > DOUBLE_DIGITS {
        return None;
    }
    let behind = point.map_or(0, |point| text.len() - point - 1);
    let number = number as f64 / POWERS[behind];
    Some(if negative { -number } else { number })
}

fn signed(field: &[u8]) -> (bool, &[u8]) {
    match field {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_taken_and_what_is_not() {
        assert_eq!(short_int(b"-999999999999999999"), Some(-999_999_999_999_999_999));
        assert_eq!(short_double(b"-0.25"), Some(-0.25));
        assert_eq!(short_double(b"-0").map(f64::to_bits), Some((-0.0_f64).to_bits()));
        assert_eq!((short_double(b"5."), short_double(b".5")), (Some(5.0), Some(0.5)));
        for other in ["", "-", ".", "-.", "+5", "--5", "1.2.3", "1e5", "x", " 5", "1234567890123456789"] {
            assert_eq!((short_int(other.as_bytes()), short_double(other.as_bytes())), (None, None), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_the_standard_library(text in "-?[0-9]{0,19}\\.?[0-9]{0,19}") {
            if let Some(number) = short_int(text.as_bytes()) {
                prop_assert_eq!(Ok(number), text.parse());
            }
            if let Some(number) = short_double(text.as_bytes()) {
                prop_assert_eq!(Ok(number.to_bits()), text.parse().map(f64::to_bits));
            }
        }

        #[test]
        fn short_numbers_are_taken(whole in any::<i32>(), cents in 0..100_u8) {
            prop_assert_eq!(short_int(whole.to_string().as_bytes()), Some(i64::from(whole)));
            let price = format!("{whole}.{cents:02}");
            prop_assert!(short_double(price.as_bytes()).is_some());
        }
    }
}
