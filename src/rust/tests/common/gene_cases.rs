//! Models of genes that devices are tried with, and their genes at their starts.
#![allow(dead_code)]

use super::{Shape, arrays, prior, spec};
use twill::density::Model;
use twill::design::Design;
use twill::device::genes::Genes;
use twill::device::machine::Machine;
use twill::device::pack::GeneArrays;
use twill::device::source::Precision;
use twill::lanes::flat::FlatModel;
use twill::lanes::frame::Frame;
use twill::lanes::start::start;
use twill::lanes::target::Target;
use twill::natural::guide::Guide;
use twill::spec::{DispersionSpec, Family, ModelSpec};

/// A kind of model with a name.
pub struct Case {
    pub name: &'static str,
    pub shape: Shape,
    /// Priors of kinds that are not the usual ones.
    pub has_rare_priors: bool,
    /// 2,000 and more.
    pub has_large_counts: bool,
}

impl Case {
    fn spec(&self) -> ModelSpec {
        let mut spec = spec(&self.shape);
        if self.has_rare_priors {
            let fixed = [("double_exponential", vec![0.1, 1.5]), ("student_t", vec![3.0, 0.0, 2.0]), ("flat", vec![])];
            let sds = [
                ("horseshoe_scale", vec![0.5, 3.0]),
                ("uniform", vec![0.0, 2.5]),
                ("inv_gamma", vec![3.0, 1.0]),
                ("exponential", vec![2.0]),
            ];
            let of = |(dist, args): &(&str, Vec<f64>)| prior(dist, args);
            spec.coefficients.iter_mut().zip(&fixed).for_each(|(c, p)| c.prior = of(p));
            let all = spec.terms.iter_mut().flat_map(|t| &mut t.sd_priors);
            all.zip(sds.iter().cycle()).for_each(|(sd, p)| *sd = of(p));
            let shape = prior("lognormal", &[1.0, 1.0]);
            spec.dispersion = Some(DispersionSpec::Constant { name: "shape".into(), prior: shape });
        }
        spec
    }
}

/// Of all that the engine has: terms of one factor, crossed factors, no terms, rows that all differ, no shape, and more
/// parameters than shared memory holds; and counts of which single precision loses much.
pub fn cases() -> Vec<Case> {
    let of = |name: &'static str, family, n, p, terms: &[(usize, usize, bool)]| {
        let shape = Shape::plain(family, n, p, terms);
        Case { name, shape, has_rare_priors: name == "rare priors", has_large_counts: name.starts_with("large counts") }
    };
    let (nb, poisson) = (Family::NegBinomial, Family::Poisson);
    vec![
        of("two effects of 7 donors", nb, 56, 2, &[(7, 2, false)]),
        of("crossed factors", nb, 60, 3, &[(6, 1, false), (4, 1, false)]),
        of("no groups", nb, 30, 2, &[]),
        // As single cells with a covariate of their own: each row has its leaf.
        of("rows that differ", nb, 300, 3, &[(5, 1, false)]),
        of("rare priors", nb, 60, 3, &[(6, 2, false), (3, 1, false)]),
        of("large counts", nb, 56, 2, &[(7, 2, false)]),
        of("large counts, Poisson", poisson, 40, 2, &[(5, 1, false)]),
        of("Poisson", poisson, 40, 2, &[(5, 1, false)]),
        of("40 donors", nb, 160, 2, &[(40, 2, false)]),
    ]
}

/// Genes of a case, at their starts.
pub struct Started<'a> {
    pub targets: Vec<Target<'a>>,
    pub guides: Vec<Guide>,
}

pub fn frame(case: &Case) -> Frame {
    let spec = case.spec();
    let design = Design::new(arrays(&case.shape, 1), &spec).expect("valid by construction");
    Frame::new(&Model::with_rows(design, None, &spec).expect("valid by construction")).expect("a model for guides")
}

/// Genes that differ in their counts.
pub fn started<'a>(frame: &'a Frame, case: &Case, n: usize) -> Started<'a> {
    let (spec, shape) = (case.spec(), &case.shape);
    let target = |g: usize| {
        let y = arrays(shape, 100 + g as u64).y.into_owned().into_iter();
        let y = y.map(|y| if case.has_large_counts { 2e3 * (1.0 + y) } else { y }).collect();
        let raw = twill::design::RawArrays { y, ..arrays(shape, 1) };
        let model = Model::new(Design::new(raw, &spec).expect("valid"), &spec).expect("valid");
        let mut target = Target::new(frame, FlatModel::new(frame, &model).expect("rows of the frame"));
        let guide = start(&mut target)?;
        Some((target, guide))
    };
    let (targets, guides) = (0..n).filter_map(target).unzip();
    Started { targets, guides }
}

/// The same genes before their starts, on a device.
pub fn unstarted<'m>(machine: &'m dyn Machine, precision: Precision, frame: &Frame, targets: &[Target]) -> Genes<'m> {
    let arrays: Vec<GeneArrays> = targets.iter().map(|t| Target::new(frame, t.gene.clone()).arrays()).collect();
    let (all, numbers): (Vec<&GeneArrays>, Vec<u32>) = arrays.iter().zip(0..).unzip();
    Genes::new(machine, precision, &frame.arrays(), &all, &numbers).expect("room on the device")
}

impl Started<'_> {
    pub fn on<'m>(&self, machine: &'m dyn Machine, precision: Precision, frame: &Frame) -> Genes<'m> {
        let arrays: Vec<GeneArrays> = self.targets.iter().map(Target::arrays).collect();
        let numbers: Vec<u32> = (0..arrays.len() as u32).collect();
        let all: Vec<&GeneArrays> = arrays.iter().collect();
        let mut genes = Genes::new(machine, precision, &frame.arrays(), &all, &numbers).expect("room on the device");
        let means: Vec<f64> = self.guides.iter().flat_map(|g| g.mean.clone()).collect();
        let roots: Vec<f64> = self.guides.iter().flat_map(Guide::lower).collect();
        genes.set_guides(&means, &roots).expect("room on the device");
        genes
    }
}
