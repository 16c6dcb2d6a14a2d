//! English names of months and of days of the week: whole, and as the three letters that stamps have.
//!
//! Who reads them in any case compares them in any case; they are written here as they are printed.

/// How long a short name is.
pub const SHORT_NAME_BYTES: usize = 3;
/// `January` to `December`.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// `Jan` to `Dec`.
pub const MONTHS_SHORT: [&str; 12] = shortened(MONTHS);
/// `Monday` to `Sunday`.
pub const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// `Mon` to `Sun`.
pub const WEEKDAYS_SHORT: [&str; 7] = shortened(WEEKDAYS);

const fn shortened<const COUNT: usize>(mut names: [&'static str; COUNT]) -> [&'static str; COUNT] {
    let mut at = 0;
    while at < COUNT {
        names[at] = names[at].split_at(SHORT_NAME_BYTES).0;
        at += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_distinct_beginnings() {
        for (names, short) in [(&MONTHS[..], &MONTHS_SHORT[..]), (&WEEKDAYS, &WEEKDAYS_SHORT)] {
            assert_eq!(names.len(), short.len());
            for (at, (name, short_name)) in names.iter().zip(short).enumerate() {
                assert!(name.starts_with(short_name) && short_name.len() == SHORT_NAME_BYTES, "{name}");
                assert_eq!(short.iter().position(|other| other == short_name), Some(at), "{name}");
            }
        }
    }
}
