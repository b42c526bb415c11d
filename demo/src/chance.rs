//! Seeded randomness and made-up identifiers.
//!
//! Everything random comes from a stream named after what it is for, so adding a component or a source never moves the
//! figures of another, and the order of drawing between streams does not matter. Identifiers do not depend on the seed: an
//! account or a bucket keeps its id from one demo to the next.
//!
//! Invariants: only `+ - × ÷` on floats, which IEEE 754 fixes to the bit, so every platform draws the same numbers. The
//! samplers are our own few lines because those of `rand` may change between versions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The seed of a whole demo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance {
    seed: u64,
}

/// One independent sequence of random numbers.
#[derive(Debug)]
pub(crate) struct Stream(ChaCha8Rng);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Chance {
        Chance { seed }
    }

    /// The stream with this name.
    pub(crate) fn stream(&self, name: &[&str]) -> Stream {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(fingerprint(name));
        Stream(generator)
    }
}

impl Stream {
    /// At least 0, below 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        // 53 bits are what a double holds; 2^-53 is exact.
        (self.0.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// At least `low`, below `high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Bell-shaped, mean 0, standard deviation 1, never beyond ±3.5: a quiet day stays quiet, so only planted anomalies are
    /// anomalies.
    pub(crate) fn noise(&mut self) -> f64 {
        let sum: f64 = (0..4).map(|_| self.uniform()).sum();
        // The sum of four uniform draws has variance 1/3.
        (sum - 2.0) * 1.732_050_807_568_877_2
    }
}

/// A well-mixed number that depends on the words alone (FNV-1a, then the finaliser of SplitMix64).
pub(crate) fn fingerprint(words: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for word in words {
        // 0xff is in no UTF-8 text, so ("a", "bc") and ("ab", "c") differ.
        for byte in word.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// `length` characters of `alphabet`, the same ones for the same words.
pub(crate) fn letters(alphabet: &str, length: usize, words: &[&str]) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut generator = ChaCha8Rng::seed_from_u64(fingerprint(words));
    (0..length).map(|_| alphabet[(generator.next_u64() % alphabet.len() as u64) as usize]).collect()
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(length: usize, words: &[&str]) -> String {
    letters("0123456789abcdef", length, words)
}

/// Decimal digits; leading zeros happen, as they do in real account numbers.
pub(crate) fn digits(length: usize, words: &[&str]) -> String {
    letters("0123456789", length, words)
}

/// A version 4 UUID in shape.
pub(crate) fn uuid(words: &[&str]) -> String {
    let hex = hex(30, words);
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ_by_name() {
        let draw = |seed, name: &str| Chance::new(seed).stream(&[name]).uniform();
        assert_eq!(draw(1, "a").to_bits(), draw(1, "a").to_bits());
        assert_ne!(draw(1, "a").to_bits(), draw(1, "b").to_bits());
        assert_ne!(draw(1, "a").to_bits(), draw(2, "a").to_bits());
    }

    #[test]
    fn noise_is_centred_with_unit_spread() {
        let mut stream = Chance::new(7).stream(&["noise"]);
        let draws: Vec<f64> = (0..20_000).map(|_| stream.noise()).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let spread = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!((spread - 1.0).abs() < 0.05, "variance {spread}");
        assert!(draws.iter().all(|x| x.abs() <= 3.5));
    }

    #[test]
    fn identifiers_depend_on_the_words_alone() {
        assert_eq!(uuid(&["x"]), uuid(&["x"]));
        assert_ne!(hex(12, &["a", "bc"]), hex(12, &["ab", "c"]));
        assert_eq!(uuid(&["x"]).len(), 36);
    }
}
