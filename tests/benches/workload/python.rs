//! Python's random numbers, so that the data is the same as in the figures it stands beside.
//!
//! Source: the Mersenne Twister, Matsumoto & Nishimura 1998, seeded and drawn as CPython does.

const WORDS: usize = 624;
const SHIFT: usize = 397;

/// CPython's `random.Random`.
pub(crate) struct Random {
    state: [u32; WORDS],
    next: usize,
}

impl Random {
    /// `random.Random(seed)` for a seed below 2³².
    pub(crate) fn new(seed: u32) -> Random {
        let mut state = [0u32; WORDS];
        state[0] = 19_650_218;
        for at in 1..WORDS {
            let last = state[at - 1];
            state[at] = 1_812_433_253u32
                .wrapping_mul(last ^ (last >> 30))
                .wrapping_add(at as u32);
        }
        let mut at = 1;
        for _ in 0..WORDS {
            let last = state[at - 1];
            state[at] =
                (state[at] ^ (last ^ (last >> 30)).wrapping_mul(1_664_525)).wrapping_add(seed);
            at = wrap(&mut state, at + 1);
        }
        for _ in 1..WORDS {
            let last = state[at - 1];
            state[at] = (state[at] ^ (last ^ (last >> 30)).wrapping_mul(1_566_083_941))
                .wrapping_sub(at as u32);
            at = wrap(&mut state, at + 1);
        }
        state[0] = 0x8000_0000;
        Random { state, next: WORDS }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            for at in 0..WORDS {
                let y =
                    (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % WORDS] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[at] = self.state[(at + SHIFT) % WORDS] ^ (y >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// `randrange(n)`, and the index `choice` takes of `n` items.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        let bits = u32::BITS - n.leading_zeros();
        loop {
            let drawn = self.word() >> (u32::BITS - bits);
            if drawn < n {
                return drawn;
            }
        }
    }

    /// `random()`
    pub(crate) fn unit(&mut self) -> f64 {
        let (a, b) = (self.word() >> 5, self.word() >> 6);
        (f64::from(a) * 67_108_864.0 + f64::from(b)) / 9_007_199_254_740_992.0
    }
}

fn wrap(state: &mut [u32; WORDS], at: usize) -> usize {
    if at < WORDS {
        return at;
    }
    state[0] = state[WORDS - 1];
    1
}
