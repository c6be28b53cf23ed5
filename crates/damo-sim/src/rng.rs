//! The simulator's own pseudo-random numbers, so that a seed gives the same record on every machine and with every
//! version of every dependency.
//!
//! Two published generators, written from their descriptions (Blackman and Vigna, public domain): `splitmix64` turns
//! any 64 bits into well-mixed ones and is used to derive independent streams from the seed; `xoshiro256**` gives the
//! long sequences. Bounded numbers come from the upper half of a 64×64-bit product: no division, and a bias below
//! `n / 2^64`, far below anything that sampling shows.

/// Mixes 64 bits: one step of splitmix64 from state `x`.
pub(crate) fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Mixes several numbers into one: the seed of an independent stream.
pub(crate) fn derive(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |seed, part| mix(seed ^ mix(*part)))
}

/// The upper half of `random * n`: a number below `n` (0 if `n` is 0).
pub(crate) fn scale(random: u64, n: u64) -> u64 {
    ((u128::from(random) * u128::from(n)) >> 64) as u64
}

/// A sequence of pseudo-random numbers (xoshiro256**).
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The sequence that belongs to `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = [0; 4];
        let mut x = seed;
        for word in &mut state {
            *word = mix(x);
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
        }
        Rng { state }
    }

    /// The next 64 bits.
    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `n`; 0 if `n` is 0.
    #[inline]
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        scale(self.next(), n)
    }

    /// True with probability `p`.
    #[inline]
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        // 53 bits fill a double's mantissa exactly.
        ((self.next() >> 11) as f64) < p * (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_gives_the_published_first_numbers_of_seed_zero() {
        // First outputs of splitmix64 for seed 0, as published with the generator's test vectors.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn numbers_below_ten_are_evenly_spread() {
        let mut rng = Rng::new(7);
        let mut seen = [0u32; 10];
        for _ in 0..100_000 {
            seen[rng.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|n| (9_500..10_500).contains(n)), "{seen:?}");
    }

    #[test]
    fn a_chance_of_one_always_and_of_zero_never_happens() {
        let mut rng = Rng::new(1);
        assert!((0..1000).all(|_| rng.chance(1.0)));
        assert!((0..1000).all(|_| !rng.chance(0.0)));
    }
}
