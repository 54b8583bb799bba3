//! From records to instances.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use hallpass_upstream::{Instance, Instances};

/// At most so many instances of a service are used.
pub(crate) const MAX_INSTANCES: usize = 256;
/// What a weight of 1 becomes, so that there is room below it for weight 0 and for several addresses of one target.
const WEIGHT_UNIT: u32 = 100;

/// A target of an `SRV` record that has an address.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    /// In lower case, without the dot at the end.
    pub(crate) host: String,
    pub(crate) addresses: Vec<IpAddr>,
}

/// Each address with the same share.
pub(crate) fn of_addresses(addresses: &[IpAddr], port: u16) -> Instances {
    let mut addresses = addresses.to_vec();
    // Name servers turn the list round with each answer.
    addresses.sort_unstable();
    addresses.dedup();
    let sockets = addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, port));
    let instances = sockets.filter_map(|socket| Instance::try_from(socket).ok());
    instances.take(MAX_INSTANCES).collect()
}

/// The host by its name.
pub(crate) fn of_host(host: &str, port: u16) -> Option<Instance> {
    format!("https://{host}:{port}").parse().ok()
}

/// By RFC 2782: those of the lowest priority share the calls by their weights, and the others have weight 0: they get calls
/// that nobody else can take. `by_name`: an instance is the name of the target rather than each of its addresses.
pub(crate) fn of_targets(mut targets: Vec<Target>, by_name: bool) -> Instances {
    targets.sort_by(|one, other| {
        (one.priority, &one.host, one.port).cmp(&(other.priority, &other.host, other.port))
    });
    let lowest = targets.first().map(|target| target.priority);
    let first = || {
        targets
            .iter()
            .filter(|target| Some(target.priority) == lowest)
    };
    let has_weights = first().any(|target| target.weight > 0);
    let mut seen = HashSet::new();
    let mut weighted = Vec::new();
    for target in &targets {
        let instances = instances_of(target, by_name);
        let share = match (Some(target.priority) == lowest, has_weights) {
            (false, _) => 0,
            (true, false) => share(1, instances.len()),
            (true, true) => share(target.weight, instances.len()),
        };
        for instance in instances {
            if weighted.len() < MAX_INSTANCES && seen.insert(instance.clone()) {
                weighted.push((instance, share));
            }
        }
    }
    weighted.into_iter().collect()
}

fn instances_of(target: &Target, by_name: bool) -> Vec<Instance> {
    if by_name {
        return of_host(&target.host, target.port).into_iter().collect();
    }
    let mut addresses = target.addresses.clone();
    addresses.sort_unstable();
    addresses.dedup();
    let sockets = addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, target.port));
    sockets
        .filter_map(|socket| Instance::try_from(socket).ok())
        .collect()
}

/// The share of each of `count` instances; a weight of 0 beside others means a very small one.
fn share(weight: u16, count: usize) -> u32 {
    let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    (u32::from(weight) * WEIGHT_UNIT / count).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(priority: u16, weight: u16, host: &str) -> Target {
        let last = host.bytes().last().unwrap();
        Target {
            priority,
            weight,
            port: 80,
            host: host.to_owned(),
            addresses: vec![[10, 0, 0, last].into()],
        }
    }

    fn shares(targets: Vec<Target>) -> Vec<u32> {
        of_targets(targets, true)
            .weighted()
            .map(|(_, share)| share)
            .collect()
    }

    #[test]
    fn the_lowest_priority_shares_the_calls_by_weight_and_the_others_wait() {
        let targets = vec![target(20, 9, "c"), target(10, 1, "a"), target(10, 3, "b")];
        assert_eq!(shares(targets), [100, 300, 0]);
    }

    #[test]
    fn a_weight_of_0_beside_others_is_a_very_small_share_and_alone_an_equal_one() {
        assert_eq!(shares(vec![target(0, 0, "a"), target(0, 5, "b")]), [1, 500]);
        assert_eq!(
            shares(vec![target(0, 0, "a"), target(0, 0, "b")]),
            [100, 100]
        );
        assert_eq!(shares(vec![target(0, u16::MAX, "a")]), [6_553_500]);
    }

    #[test]
    fn the_addresses_of_a_target_divide_its_share() {
        let mut both = target(0, 1, "a");
        both.addresses = vec![
            [10, 0, 0, 1].into(),
            [10, 0, 0, 2].into(),
            [10, 0, 0, 1].into(),
        ];
        let instances = of_targets(vec![both, target(0, 1, "b")], false);
        let shares: Vec<_> = instances.weighted().map(|(_, share)| share).collect();
        assert_eq!(shares, [50, 50, 100]);
    }

    #[test]
    fn the_order_of_the_records_does_not_count_and_their_number_has_a_limit() {
        let many = |from: u16| (from..300).chain(0..from);
        let addresses = |from| -> Vec<IpAddr> {
            many(from)
                .map(|n| [10, 0, (n / 256) as u8, (n % 256) as u8].into())
                .collect()
        };
        let instances = of_addresses(&addresses(0), 80);
        assert_eq!(instances.len(), MAX_INSTANCES);
        assert_eq!(instances, of_addresses(&addresses(7), 80));
    }
}
