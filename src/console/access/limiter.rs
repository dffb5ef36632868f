//! How often passwords may be tried.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Attempts of one address at once, and the time in which it gets one more.
const OWN: Allowance = Allowance { burst: 5, refill: Duration::from_secs(10) };
/// The same of all addresses together: hashing is to take no more of the processor.
const ALL: Allowance = Allowance { burst: 30, refill: Duration::from_secs(2) };
/// Addresses that are remembered.
const MAX_ADDRESSES: usize = 1024;

#[derive(Clone, Copy)]
struct Allowance {
    burst: u32,
    refill: Duration,
}

/// When all attempts will have come back.
type FullAt = Instant;

#[derive(Debug, Default)]
pub struct Limiter {
    addresses: HashMap<IpAddr, FullAt>,
    all: Option<FullAt>,
}

impl Limiter {
    /// Takes an attempt.
    ///
    /// # Errors
    /// There were too many; after so many seconds there is one more.
    pub fn admit(&mut self, peer: IpAddr, now: Instant) -> Result<(), u64> {
        let peer = network(peer);
        let own = OWN.spend(self.addresses.get(&peer).copied(), now)?;
        self.all = Some(ALL.spend(self.all, now)?);
        if self.addresses.len() >= MAX_ADDRESSES {
            self.addresses.retain(|_, full| *full > now);
        }
        if self.addresses.len() < MAX_ADDRESSES || self.addresses.contains_key(&peer) {
            self.addresses.insert(peer, own);
        }
        Ok(())
    }

    /// The attempts of `peer` come back: it knows the password.
    pub fn forgive(&mut self, peer: IpAddr) {
        self.addresses.remove(&network(peer));
    }
}

impl Allowance {
    /// When the attempts will all have come back, if one is made now.
    fn spend(self, full_at: Option<FullAt>, now: Instant) -> Result<FullAt, u64> {
        let full_at = full_at.unwrap_or(now).max(now) + self.refill;
        let late = full_at.saturating_duration_since(now).saturating_sub(self.refill * self.burst);
        if late.is_zero() { Ok(full_at) } else { Err(late.as_secs() + 1) }
    }
}

/// A house has as many addresses of IPv6 as it likes, in one /64.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}
