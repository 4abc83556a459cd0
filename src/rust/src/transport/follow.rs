//! How the information of the joint map follows the dispersions of the rows.

use crate::kernels::dot;
use crate::number::Real;
use crate::scales::{ScaleGradient, Scales};

/// What the information of rows that share their dispersion is multiplied by, beside that at a centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Follow {
    /// Counts: log shape at the centre, and the share of the variance there that is in excess of a Poisson's.
    Shape(f64, f64),
    /// Gaussian rows: log standard deviation at the centre.
    Sigma(f64),
    /// Gaussian rows whose variance has other parts, too: log standard deviation at the centre, and its share of the variance there.
    SigmaShare(f64, f64),
}

/// A group of rows that share their dispersion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Which group.
    pub group: usize,
    /// Its share of the information at the centre.
    pub share: f64,
    /// How its information follows.
    pub follow: Follow,
}

impl Follow {
    /// The factor, and the derivative of its logarithm in the log dispersion, at a shape or at a precision.
    #[inline(always)]
    pub fn at<T: Real>(&self, dispersion: T) -> [T; 2] {
        match *self {
            Self::Shape(centre, excess) => {
                let t = dispersion.each(|phi| excess * centre.exp() / phi);
                let k = t.each(|t| 1.0 / (1.0 - excess + t));
                [k, k * t]
            }
            Self::Sigma(centre) => [dispersion * (2.0 * centre).exp(), T::splat(-2.0)],
            Self::SigmaShare(centre, share) => {
                let t = dispersion.each(|precision| share / (precision * (2.0 * centre).exp()));
                let k = t.each(|t| 1.0 / (1.0 - share + t));
                [k, k * t * -2.0]
            }
        }
    }

    /// The factor, and its derivative, at a log dispersion.
    pub fn at_log(self, log_dispersion: f64) -> [f64; 2] {
        match self {
            Self::Shape(centre, excess) => {
                let t = excess * (centre - log_dispersion).exp();
                let k = 1.0 / (1.0 - excess + t);
                [k, k * k * t]
            }
            Self::Sigma(centre) => {
                let k = (2.0 * (centre - log_dispersion)).exp();
                [k, -2.0 * k]
            }
            Self::SigmaShare(centre, share) => {
                let t = share * (2.0 * (log_dispersion - centre)).exp();
                let k = 1.0 / (1.0 - share + t);
                [k, -2.0 * k * k * t]
            }
        }
    }
}

/// How the information of some rows follows what they have for a log dispersion.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// By which rule.
    pub follow: Follow,
    /// What the columns of the log dispersion are multiplied by; empty where it is the only one.
    pub x: Vec<f64>,
}

impl Group {
    /// The factor at the scales.
    pub fn scale(&self, scales: &Scales) -> f64 {
        self.at(scales)[0]
    }

    fn at(&self, scales: &Scales) -> [f64; 2] {
        let d = &scales.dispersion;
        self.follow.at_log(if self.x.is_empty() { d[0] } else { dot(&self.x, d) })
    }

    /// From the derivative in the logarithm of that factor to those in the columns of the log dispersion.
    pub fn pull_back(&self, scales: &Scales, d_log_k: f64, d_scales: &mut ScaleGradient) {
        let [k, slope] = self.at(scales);
        let d = slope * d_log_k / k;
        if self.x.is_empty() {
            d_scales.dispersion[0] += d;
        }
        self.x.iter().zip(&mut d_scales.dispersion).for_each(|(x, out)| *out += x * d);
    }
}

/// The factor at the scales, of rows that all share their dispersion; one where nothing is followed.
pub fn scale(follow: Option<Follow>, scales: &Scales) -> f64 {
    follow.map_or(1.0, |follow| follow.at_log(scales.dispersion[0])[0])
}

/// From the derivative in the logarithm of that factor to the one in the log dispersion.
pub fn pull_back(follow: Option<Follow>, scales: &Scales, d_log_k: f64, d_scales: &mut ScaleGradient) {
    if let Some(follow) = follow {
        let [k, slope] = follow.at_log(scales.dispersion[0]);
        d_scales.dispersion[0] += slope * d_log_k / k;
    }
}

/// The factor of an information that all parts share: the mean of theirs. Sets the derivatives of its
/// logarithm in the log dispersions of all groups; `work` is scratch. What is in no part is constant.
#[inline(always)]
pub fn factor<T: Real>(parts: &[Part], dispersion: &[T], slopes: &mut [T], work: &mut Vec<[T; 2]>) -> T {
    slopes.fill(T::ZERO);
    work.clear();
    let mut k = T::splat(1.0 - parts.iter().map(|part| part.share).sum::<f64>());
    for part in parts {
        let [own, slope] = part.follow.at(dispersion[part.group]);
        k += own * part.share;
        work.push([own * part.share, slope]);
    }
    for (part, [own, slope]) in parts.iter().zip(&*work) {
        slopes[part.group] = *own / k * *slope;
    }
    k
}
