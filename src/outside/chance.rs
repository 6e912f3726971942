//! The only place where chance comes from: the operating system's generator, through aws-lc.

use aws_lc_rs::rand::{self, SystemRandom};

use crate::kernel::secret::Chance;

/// The product's chance.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, into: &mut [u8]) {
        rand::fill(into).expect("the operating system's generator answers once it is seeded");
    }
}

/// The generator that aws-lc's signing calls ask for (they take their nonces from the library's own).
pub(super) fn for_signatures() -> SystemRandom {
    SystemRandom::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_never_says_the_same_thing_twice() {
        assert_ne!(SystemChance.bytes32(), SystemChance.bytes32());
        assert_ne!(SystemChance.bytes32(), [0; 32]);
    }
}
