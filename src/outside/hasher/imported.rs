//! Tries a password against a hash that another system made.

use pbkdf2::pbkdf2_hmac;
use scrypt::scrypt;
use sha2::{Sha256, Sha512};
use zeroize::Zeroize as _;

use crate::domain::people::password::imported::{BCRYPT_BYTES, Imported, Prf};
use crate::kernel::secret::{Secret, same};

/// Whether a password is the one. What the scheme doesn't take as it is never comes here: [`Imported::takes`].
pub(super) fn matches(imported: &Imported, password: &Secret) -> bool {
    let password = password.expose().as_bytes();
    match imported {
        Imported::Bcrypt { cost, salt, output } => {
            // The byte that ends the text belongs to the key, where there is room for it.
            let mut key = [password, &[0]].concat();
            key.truncate(BCRYPT_BYTES);
            let made = bcrypt::bcrypt(*cost, *salt, &key);
            key.zeroize();
            same(&made[..output.len()], output)
        }
        Imported::Pbkdf2 { prf, rounds, salt, output } => {
            let mut made = vec![0; output.len()];
            match prf {
                Prf::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, *rounds, &mut made),
                Prf::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, *rounds, &mut made),
            }
            same(&made, output)
        }
        Imported::Scrypt { log_n, r, p, salt, output } => {
            let mut made = vec![0; output.len()];
            let params = scrypt::Params::new(*log_n, *r, *p);
            params.is_ok_and(|params| scrypt(password, salt, &params, &mut made).is_ok() && same(&made, output))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::hasher::{Hasher, HasherConfig, Verified};

    /// Made by bcrypt 5.0, passlib 1.7.4 and hashlib of Python 3, of "correct horse".
    const HASHES: [&str; 9] = [
        "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "$pbkdf2-sha256$1000$8PHy8/T19vf4.fr7/P3./w$JwgcbJZlHBoE0uPBMy9SZsCsIJXsYLx/8XwH97PVwMU",
        "$pbkdf2-sha256$i=1000,l=32$AQIDBAUGBwgJCgsMDQ4PEA$YwKfNMrnHLcz6zlkYSHCNthMmUVmRkplZtxCdAZgV8M",
        "$pbkdf2-sha512$1000$8PHy8/T19vf4.fr7/P3./w\
         $xqu1f3FSdHbs02z9AocIk0UpBf6S9uqlRTfcS56zkPqTxPMhm.kj4D.e8E9DRlH/uXf/Pe1g59vHIM0MwcvtiA",
        "$pbkdf2-sha512$i=1000$AQIDBAUGBwgJCgsMDQ4PEA\
         $eIGMi+UqDswIbd31dNfOt/Ef/Dp4lJ3j3OqjlFeJWu75VMjKI1vX4xv9hmkwjYCpfvyG3tdytQqwPK/yPKxncA",
        "pbkdf2_sha256$1000$seasalt1AB$ZOxCiu6uKqsOsHD4wivhO5e7uySQf1i0kHLafu2fni4=",
        "$scrypt$ln=4,r=8,p=1$8PHy8/T19vf4+fr7/P3+/w$JvJWJIKH0DvalOuZloYFzm7z/NOUGrOUSepHfp4u5bk",
        "$scrypt$ln=10,r=8,p=2$AQIDBAUGBwgJCgsMDQ4PEA$9L1PjSChig3MnVD1MqflrR5v9CzmN+UB8+J75EnV+R4",
    ];

    /// A pool whose own hashes cost next to nothing.
    fn pool() -> Hasher {
        Hasher::new(HasherConfig { threads: 1, queue: 4, wait_ms: 60_000, m: 64, t: 1, p: 1 })
    }

    async fn tried(pool: &Hasher, hash: &str, password: &str) -> Verified {
        pool.verify(Some(hash.to_owned()), Secret::presented(password)).await.unwrap()
    }

    #[tokio::test]
    async fn hashes_of_other_systems_match_their_password_alone_and_are_outdated() {
        let pool = pool();
        for hash in HASHES {
            assert_eq!(Hasher::understands(hash), Ok(()), "{hash}");
            let yes = Verified { matches: true, outdated: true };
            assert_eq!(tried(&pool, hash, "correct horse").await, yes, "{hash}");
            for wrong in ["correct horsf", "Correct horse", "correct horse ", ""] {
                assert!(!tried(&pool, hash, wrong).await.matches, "{hash} {wrong:?}");
            }
        }
    }

    #[tokio::test]
    async fn bcrypt_never_matches_by_a_part_of_a_password() {
        let (pool, salted) = (pool(), "$2b$04$abcdefghijklmnopqrstuu");
        let whole = format!("{}y", "x".repeat(71));
        let hash = format!("{salted}.5skbTx2BS4jj.FAhPbN7I9dDGDUUN2");
        assert!(tried(&pool, &hash, &whole).await.matches, "72 bytes fit");
        assert!(!tried(&pool, &hash, &format!("{whole}z")).await.matches, "the 73rd would be cut off");
        let hash = format!("{salted}V73TGRpZUIe0qlOxkNtnukSgMpDszsW");
        assert!(tried(&pool, &hash, "비밀번호 좋은것").await.matches);
        assert!(!tried(&pool, HASHES[0], "correct horse\0tail").await.matches);
    }
}
