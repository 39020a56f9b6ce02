//! Numbers of a fixed count of bits, one after the other, lowest bits first.

/// Widest number, in bits.
pub(super) const WIDTH_MAX: u32 = 32;

/// Bits that the numbers `0 ..= max` need.
pub(super) fn width_of(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

/// The bytes of numbers that all fit `width` bits.
pub(super) fn pack(numbers: &[u32], width: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(packed_bytes(numbers.len(), width));
    let (mut buffer, mut used) = (0u64, 0);
    for &number in numbers {
        buffer |= u64::from(number) << used;
        used += width;
        while used >= 8 {
            out.push(buffer as u8);
            buffer >>= 8;
            used -= 8;
        }
    }
    if used > 0 {
        out.push(buffer as u8);
    }
    out
}

/// How many bytes `count` numbers take.
pub(super) fn packed_bytes(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// The number at a place; 0 beyond the end.
pub(super) fn get(bytes: &[u8], width: u32, at: usize) -> u32 {
    let bit = at * width as usize;
    let mut window = [0; 8];
    let rest = bytes.get(bit / 8..).unwrap_or_default();
    let len = rest.len().min(window.len());
    window[..len].copy_from_slice(&rest[..len]);
    let number = u64::from_le_bytes(window) >> (bit % 8);
    (number & ((1 << width) - 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for max in [0, 1, 2, 255, 256, u32::MAX >> 3, u32::MAX] {
            let width = width_of(max);
            assert!(width <= WIDTH_MAX);
            let numbers: Vec<u32> = (0..100).map(|n| max.wrapping_mul(n) & max).collect();
            let bytes = pack(&numbers, width);
            assert_eq!(bytes.len(), packed_bytes(100, width));
            for (at, &number) in numbers.iter().enumerate() {
                assert_eq!(get(&bytes, width, at), number);
            }
            assert_eq!(get(&bytes, width, 1000), 0);
        }
    }
}
