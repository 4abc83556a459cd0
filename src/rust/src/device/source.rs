//! The kernels' source, part of the compiled package, and how it is compiled.
//!
//! Kernels are CUDA C that is C++ at the same time: `kernels/shim.h` stands in for the GPU in tests. NVRTC gets one
//! text, the files in the order in which they need each other.

use crate::tuning;

/// Oldest generation that the kernels run on: Turing, compute capability 7.5.
pub const OLDEST: (i32, i32) = (7, 5);
/// CUDA version that a driver must know, as major * 1000 + minor * 10: 12.0 reads the PTX in this package.
pub const OLDEST_DRIVER: i32 = 12_000;

macro_rules! files {
    ($($name:literal),*) => { [$(($name, include_str!(concat!("kernels/", $name)))),*] };
}

/// The files of `kernels/`, each after those that it needs.
pub const FILES: [(&str, &str); 20] = files!(
    "numbers.cuh",
    "prior.cuh",
    "noise.cuh",
    "dense.cuh",
    "frame.cuh",
    "bend.cuh",
    "centre.cuh",
    "arrow.cuh",
    "back.cuh",
    "rows.cuh",
    "target.cuh",
    "guide.cuh",
    "trail.cuh",
    "views.cuh",
    "genes.cu",
    "start.cu",
    "walks.cu",
    "families.cuh",
    "model.cu",
    "speed.cu"
);

/// The kernels as PTX, for machines with a driver and no compiler: what NVRTC 12.0 made (`make ptx`), in the precision
/// that is used. Its first line has the fingerprint of the source. `build.rs` compresses it.
#[cfg(feature = "cuda")]
pub fn ptx() -> Vec<u8> {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/kernels.ptx.z"));
    miniz_oxide::inflate::decompress_to_vec(packed).expect("what build.rs compressed")
}

/// In which precision a kernel takes exponentials and logarithms of rows; all else is in double precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32 bits.
    Single,
    /// 64 bits.
    Double,
}

impl Precision {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Single, Self::Double];

    /// C's name of the type.
    pub fn c_type(self) -> &'static str {
        match self {
            Self::Single => "float",
            Self::Double => "double",
        }
    }

    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::Single => 4,
            Self::Double => 8,
        }
    }
}

/// All files in one text, behind the constants that they share with the CPU.
pub fn text() -> String {
    let file = |(name, text): &(&str, &str)| format!("#line 1 \"{name}\"\n{text}\n");
    std::iter::once(tuning::in_c()).chain(FILES.iter().map(file)).collect()
}

/// Options of NVRTC. No fast mathematics: `exp` and `log` stay within 2 units in the last place.
pub fn options(architecture: &str, precision: Precision) -> Vec<String> {
    vec![
        format!("--gpu-architecture={architecture}"),
        format!("-DTWILL_REAL={}", precision.c_type()),
        "--std=c++17".into(),
    ]
}

/// A number that changes with source, options and compiler: the name of what was compiled from them.
pub fn fingerprint(architecture: &str, precision: Precision, compiler: (i32, i32)) -> u64 {
    hash(format!("{}{:?}{compiler:?}", text(), options(architecture, precision)).as_bytes())
}

/// First line of the PTX of this source.
pub fn ptx_heading() -> String {
    format!("// twill kernels {:016x}", hash(text().as_bytes()))
}

/// Fowler, Noll and Vo's 64-bit hash (FNV-1a): the same on every machine. A change of one byte always changes it.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &byte| (h ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of a kernel needs `make ptx`.
    #[test]
    fn the_ptx_was_made_from_the_source() {
        const PTX: &str = include_str!("kernels/kernels.ptx");
        assert_eq!(PTX.lines().next(), Some(&ptx_heading()[..]), "run `make ptx`");
        assert!(PTX.contains(".version 8.0") && PTX.contains(".target sm_75"));
        #[cfg(feature = "cuda")]
        assert!(ptx() == PTX.as_bytes());
    }

    #[test]
    fn fingerprints_tell_compilations_apart() {
        let of = |a, p, c| fingerprint(a, p, c);
        let first = of("sm_80", Precision::Single, (12, 0));
        assert_ne!(first, of("sm_90", Precision::Single, (12, 0)));
        assert_ne!(first, of("sm_80", Precision::Double, (12, 0)));
        assert_ne!(first, of("sm_80", Precision::Single, (13, 0)));
    }
}
