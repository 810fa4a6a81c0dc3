//! What a dial plan must know of a country's numbering: enough to tell emergency and premium numbers, no more.

/// A numbering plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Country {
    /// ISO 3166-1; empty for the fallback.
    pub code: &'static str,
    /// The country's part of E.164; empty for the fallback.
    pub calling_code: &'static str,
    /// Dialled before an international number.
    pub international_prefix: &'static str,
    /// Dialled before a national number.
    pub trunk_prefix: &'static str,
    /// Emergency numbers besides 112.
    pub emergency: &'static [&'static str],
    /// How premium national numbers begin, without the trunk prefix.
    pub premium: &'static [&'static str],
    /// Short premium numbers: how they begin, and how many digits they have.
    pub short_premium: &'static [(&'static str, usize)],
}

/// The plans known. Sources: the national numbering plans as of 2026; add a row to add a country.
const COUNTRIES: [Country; 6] = [
    Country {
        code: "NL",
        calling_code: "31",
        international_prefix: "00",
        trunk_prefix: "0",
        emergency: &[],
        premium: &["900", "906", "909"],
        short_premium: &[("18", 4)],
    },
    Country {
        code: "BE",
        calling_code: "32",
        international_prefix: "00",
        trunk_prefix: "0",
        // 100 and 101 still work, but are everyday extensions.
        emergency: &[],
        premium: &["90"],
        short_premium: &[],
    },
    Country {
        code: "DE",
        calling_code: "49",
        international_prefix: "00",
        trunk_prefix: "0",
        emergency: &["110"],
        premium: &["900", "137"],
        short_premium: &[("118", 5)],
    },
    Country {
        code: "GB",
        calling_code: "44",
        international_prefix: "00",
        trunk_prefix: "0",
        emergency: &["999"],
        premium: &["9"],
        short_premium: &[("118", 6)],
    },
    Country {
        code: "FR",
        calling_code: "33",
        international_prefix: "00",
        trunk_prefix: "0",
        emergency: &["15", "17", "18", "114"],
        premium: &["89"],
        short_premium: &[("118", 6)],
    },
    Country {
        code: "US",
        calling_code: "1",
        international_prefix: "011",
        trunk_prefix: "1",
        emergency: &["911"],
        premium: &["900"],
        short_premium: &[],
    },
];

/// For countries that are not in the table: what most of the world dials.
const ELSEWHERE: Country = Country {
    code: "",
    calling_code: "",
    international_prefix: "00",
    trunk_prefix: "0",
    emergency: &[],
    premium: &[],
    short_premium: &[],
};

/// Satellite phones, and the international networks that bill like them.
const SATELLITE: [&str; 4] = ["870", "881", "882", "883"];
/// The international premium rate service.
const INTERNATIONAL_PREMIUM: &str = "979";

impl Country {
    /// The plan with that two-letter code, or a cautious default.
    pub fn of(code: &str) -> Self {
        let known = COUNTRIES
            .into_iter()
            .find(|country| country.code.eq_ignore_ascii_case(code));
        known.unwrap_or(ELSEWHERE)
    }

    /// Whether `digits` is an emergency number here.
    pub fn is_emergency(&self, digits: &str) -> bool {
        digits == "112" || self.emergency.contains(&digits)
    }

    /// Whether `digits` is a short premium number here.
    pub fn is_short_premium(&self, digits: &str) -> bool {
        self.short_premium
            .iter()
            .any(|(begin, len)| digits.len() == *len && digits.starts_with(begin))
    }

    /// Whether a national number, without its trunk prefix, is premium here.
    pub fn is_premium(&self, national: &str) -> bool {
        self.premium.iter().any(|begin| national.starts_with(begin))
    }
}

/// Whether an E.164 number, without the plus sign, is premium in its country or everywhere.
pub(super) fn is_premium_e164(digits: &str) -> bool {
    digits.starts_with(INTERNATIONAL_PREMIUM)
        || COUNTRIES.iter().any(|country| {
            let national = digits.strip_prefix(country.calling_code);
            // `+31 0900…` is wrong, but some exchanges drop the zero.
            national.is_some_and(|national| country.is_premium(national.trim_start_matches('0')))
        })
}

/// Whether an E.164 number, without the plus sign, belongs to a satellite network.
pub(super) fn is_satellite(digits: &str) -> bool {
    SATELLITE.iter().any(|begin| digits.starts_with(begin))
}
