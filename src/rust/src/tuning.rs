//! The constants that the CPU's code shares with the kernels of devices, in one table: Rust's, and the same as the text with which the
//! kernels' source begins, so that its hash and what is compiled from it follow.

/// How a constant is written in C.
trait InC {
    fn in_c(&self, name: &str) -> String;
}

impl InC for usize {
    fn in_c(&self, name: &str) -> String {
        format!("#define {name} {self}\n")
    }
}

impl InC for u32 {
    fn in_c(&self, name: &str) -> String {
        format!("#define {name} {self:#010X}u\n")
    }
}

impl InC for f64 {
    /// The shortest digits that are this number.
    fn in_c(&self, name: &str) -> String {
        format!("#define {name} ({self:?})\n")
    }
}

impl<T: std::fmt::Debug, const N: usize> InC for [T; N] {
    /// An initialiser, and its length.
    fn in_c(&self, name: &str) -> String {
        let values: Vec<String> = self.iter().map(|x| format!("{x:?}")).collect();
        format!("#define {name} {{{}}}\n#define N_{name} {N}\n", values.join(", "))
    }
}

macro_rules! shared {
    ($($(#[$about:meta])* $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$about])* pub const $name: $type = $value;)*

        /// All of them, for the kernels.
        pub fn in_c() -> String {
            [$($name.in_c(stringify!($name))),*].concat()
        }
    };
}

shared! {
    // Arrays.
    /// Positions of a gene at a time; on the CPU a multiple of every machine's vectors, to which arrays are padded.
    LANES: usize = 8;
    /// Factors of a rising factorial that are taken one by one.
    DIRECT: usize = 16;
    /// Numbers of a prior: kind, three arguments, log of the normalising constant.
    PRIOR_SIZE: usize = 5;
    /// Numbers of a bend: middle, slope, both, skew.
    BEND_SIZE: usize = 4;
    /// Numbers at the head of a guide: steps, phase, step of the second phase, evaluations on the way to the start.
    GUIDE_HEAD: usize = 4;
    /// Numbers at the head of a walk.
    WALK_HEAD: usize = 8;
    /// Parts into which a device cuts sums over leaves.
    MAX_PARTS: usize = 64;

    // Noise.
    /// In the place of a block's number: uniform numbers.
    UNIFORMS: u32 = u32::MAX;
    /// In the place of a step's number: draws of a guide that are kept.
    KEPT: u32 = u32::MAX;
    /// In the number of a step: momenta. Numbers without it are steps of the guide.
    MOMENTA: u32 = 1 << 31;

    // Where the map of a gene is centred.
    /// Added to the counts of a leaf for its log rate.
    ROUGH_COUNT: f64 = 0.5;
    /// Added to the variance of a leaf's log rate: a rough account of dispersion and effects.
    ROUGH_VARIANCE: f64 = 0.3;
    /// Added to the information of coefficients that neither data nor prior know.
    ROUGH_RIDGE: f64 = 1e-6;
    /// Working weights of counts at most.
    MAX_INFORMATION: f64 = 1e12;
    /// Pivots of a matrix that counts as definite are above this.
    MIN_PIVOT: f64 = 1e-10;

    // The way to the mode, and the guide there.
    /// Rounds of centring and climbing at most.
    ROUNDS: usize = 20;
    /// Newton's decrement at which the climb ends.
    SMALL_DECREMENT: f64 = 1e-4;
    /// Half-width of differences: wide enough for single precision, and narrow beside a standard deviation.
    DIFFERENCE: f64 = 1e-2;
    /// Smallest curvature of a direction.
    MIN_CURVATURE: f64 = 0.25;
    /// Longest step of a scale parameter.
    LONGEST_STEP: f64 = 1.5;
    /// Longest standard deviation of a scale parameter that the grid of its bend is made for.
    LONGEST_SD: f64 = 1.5;
    /// Ridges added, one after the other, to a Hessian that is not definite.
    RIDGES: [f64; 5] = [0.0, 0.1, 1.0, 10.0, 100.0];

    // Bends.
    /// Points of the grid.
    GRID: usize = 16;
    /// A point `i` places from the middle is at `GRID_LINEAR i + GRID_CUBIC i^3` standard deviations from the mode.
    GRID_LINEAR: f64 = 0.45;
    /// As [`GRID_LINEAR`] says.
    GRID_CUBIC: f64 = 0.006;
    /// Points where quantiles are matched; their negatives are, too.
    FAR_KNOTS: [f64; 5] = [3.0, 2.3, 1.6, 1.0, 0.4];
    /// Log densities below this, at the grid's ends, say nothing of the tails.
    NEGLIGIBLE: f64 = -30.0;
    /// The lowest log density that is kept.
    LOWEST: f64 = -1e4;
    /// Smallest slope in the middle, in standard deviations.
    MIN_SLOPE: f64 = 0.05;
    /// A log density that changes by less than this over an interval counts as constant there.
    LEVEL: f64 = 1e-8;

    // Chains in the frame of a guide.
    /// Mean angle of a trajectory: a quarter turn forgets where it began, somewhat more makes draws negatively correlated.
    ANGLE: f64 = 2.0;
    /// Smallest angle, or length, as a share of the mean. They vary, lest a direction come back to where it was.
    SHORTEST: f64 = 0.8;
    /// Largest angle, or length, as a share of the mean.
    LONGEST: f64 = 1.2;
    /// Steps of a trajectory, from coarse to fine.
    LADDER: [usize; 8] = [2, 3, 4, 6, 9, 13, 20, 30];
    /// Where on this ladder a gene begins.
    FIRST_RUNG: usize = 1;
    /// Iterations after which the number of steps is reconsidered.
    ADAPTED: usize = 3;
    /// Where less than this is accepted, two rungs are climbed at once.
    LOW_ACCEPTANCE: f64 = 0.5;
    /// One rung is descended where less is refused than the share that may be, divided by this.
    NEARLY_ALL: f64 = 8.0;
    /// Draws of the guide that a lane may take for its start.
    START_TRIES: usize = 8;
    /// An energy error above this is a divergence (Stan's value).
    MAX_ENERGY_ERROR: f64 = 1000.0;
    /// Lanes that still accept less than this after warm-up are given up.
    MIN_ACCEPTED: f64 = 0.5;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_the_same_in_c() {
        let text = in_c();
        for line in [
            "#define LANES 8\n",
            "#define MOMENTA 0x80000000u\n",
            "#define KEPT 0xFFFFFFFFu\n",
            "#define LOWEST (-10000.0)\n",
            "#define SMALL_DECREMENT (0.0001)\n",
            "#define MAX_INFORMATION (1000000000000.0)\n",
            "#define RIDGES {0.0, 0.1, 1.0, 10.0, 100.0}\n#define N_RIDGES 5\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
