//! In which order to try what the DNS listed: pure functions, with the randomness handed in.

use std::net::IpAddr;
use toestel_proto::account_config::Transport;
use toestel_proto::random::Random;

/// A NAPTR record (RFC 3403 4.1), as far as SIP uses it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Naptr {
    pub(super) order: u16,
    pub(super) preference: u16,
    pub(super) flags: String,
    pub(super) service: String,
    pub(super) replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Srv {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) host: String,
}

/// The SRV names that NAPTR gives for a transport (RFC 3263 4.1), the preferred first. Other services, other flags
/// than `s`, and empty replacements are passed over.
pub(super) fn srv_names(mut records: Vec<Naptr>, transport: Transport) -> Vec<String> {
    let service = match transport {
        Transport::Tls => "SIPS+D2T",
        Transport::Tcp => "SIP+D2T",
        Transport::Udp => "SIP+D2U",
    };
    records.retain(|record| {
        record.service.eq_ignore_ascii_case(service)
            && record.flags.eq_ignore_ascii_case("s")
            && !record.replacement.is_empty()
    });
    records.sort_by_key(|record| (record.order, record.preference));
    records.into_iter().map(|record| record.replacement).collect()
}

/// Lowest priority first; among equals, each place goes to a record with a chance in proportion to its weight, where
/// weight 0 has next to none (RFC 2782).
pub(super) fn srv_order(mut records: Vec<Srv>, random: &mut Random) -> Vec<Srv> {
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let equals = records.iter().take_while(|record| record.priority == first.priority);
        let total: u64 = equals.clone().map(|record| u64::from(record.weight)).sum();
        let drawn = random.below(total.saturating_add(1));
        let mut running = 0_u64;
        let chosen = equals
            .take_while(|record| {
                running = running.saturating_add(u64::from(record.weight));
                running < drawn
            })
            .count();
        ordered.push(records.remove(chosen));
    }
    ordered
}

/// IPv6 and IPv4 in turn, IPv6 first, each family in its order (RFC 8305 4), without doubles.
pub(super) fn alternate_families(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (six, four): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let mut ordered: Vec<IpAddr> = Vec::with_capacity(six.len().saturating_add(four.len()));
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    loop {
        let pair = [six.next(), four.next()];
        if pair.iter().all(Option::is_none) {
            return ordered;
        }
        for address in pair.into_iter().flatten() {
            if !ordered.contains(&address) {
                ordered.push(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, host: &str) -> Srv {
        Srv {
            priority,
            weight,
            port: 5061,
            host: host.to_owned(),
        }
    }

    fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> Naptr {
        let (flags, service) = ("S".to_owned(), service.to_owned());
        Naptr {
            order,
            preference,
            flags,
            service,
            replacement: replacement.to_owned(),
        }
    }

    fn hosts(ordered: &[Srv]) -> Vec<&str> {
        ordered.iter().map(|record| record.host.as_str()).collect()
    }

    #[test]
    fn a_lower_priority_always_comes_first() {
        for seed in 0..100 {
            let records = vec![srv(20, 65_535, "last"), srv(0, 0, "first"), srv(10, 1, "second")];
            let ordered = srv_order(records, &mut Random::seeded(seed));
            assert_eq!(hosts(&ordered), ["first", "second", "last"], "seed {seed}");
        }
    }

    #[test]
    fn weights_share_the_first_place_in_proportion() {
        let mut random = Random::seeded(3);
        let mut first = [0_u32; 3];
        for _ in 0..6_000 {
            let ordered = srv_order(vec![srv(1, 10, "0"), srv(1, 20, "1"), srv(1, 30, "2")], &mut random);
            first[ordered[0].host.parse::<usize>().unwrap()] += 1;
        }
        for (count, expected) in first.into_iter().zip([1_000_u32, 2_000, 3_000]) {
            assert!(count.abs_diff(expected) < 200, "{first:?}");
        }
    }

    #[test]
    fn weight_zero_is_rare_beside_others_and_equal_among_its_like() {
        let mut random = Random::seeded(4);
        let zero_first = (0..2_000)
            .filter(|_| srv_order(vec![srv(1, 0, "zero"), srv(1, 100, "heavy")], &mut random)[0].host == "zero")
            .count();
        assert!((1..=60).contains(&zero_first), "{zero_first} of 2000");
        assert_eq!(srv_order(vec![srv(1, 0, "a"), srv(1, 0, "b")], &mut random).len(), 2);
        assert!(srv_order(Vec::new(), &mut random).is_empty());
    }

    #[test]
    fn naptr_gives_the_names_of_our_transport_by_order_and_preference() {
        let records = vec![
            naptr(50, 50, "SIP+D2U", "_sip._udp.example.com"),
            naptr(20, 9, "sips+d2t", "third"),
            naptr(10, 9, "SIPS+D2T", "second"),
            naptr(10, 1, "SIPS+D2T", "first"),
            naptr(1, 1, "SIPS+D2T", ""),
            naptr(1, 1, "E2U+sip", "enum"),
            Naptr {
                flags: "A".to_owned(),
                ..naptr(1, 1, "SIPS+D2T", "address")
            },
        ];
        assert_eq!(srv_names(records.clone(), Transport::Tls), ["first", "second", "third"]);
        assert_eq!(srv_names(records.clone(), Transport::Udp), ["_sip._udp.example.com"]);
        assert!(srv_names(records, Transport::Tcp).is_empty());
    }

    #[test]
    fn the_families_take_turns_and_ipv6_begins() {
        let parse = |addresses: &[&str]| {
            addresses
                .iter()
                .map(|text| text.parse().unwrap())
                .collect::<Vec<IpAddr>>()
        };
        let mixed = parse(&["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3", "2001:db8::1"]);
        assert_eq!(
            alternate_families(mixed),
            parse(&["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"])
        );
    }
}
