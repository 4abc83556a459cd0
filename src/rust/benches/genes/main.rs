//! Thousands of genes under one crossed design: pseudobulk counts of 7 donors under 2 conditions,
//! `~ condition + (1 + condition || donor)`, negative binomial: by each method, and the time of the parts of a gene's fit.
//!
//! `cargo bench --no-default-features --bench genes [-- GENES [WHAT]]`, `WHAT` a method, `gradient`, `split` or `guide`; `agree`
//! compares guides, `agree hmc` HMC, with NUTS. Settings are read from the environment (`from_env`).

mod data;
mod fits;
mod parts;

#[path = "../support/mod.rs"]
mod support;

use twill::genes::blueprint::Blueprint;
use twill::genes::input::GeneMethod;

const METHODS: [(&str, GeneMethod); 5] = [
    ("hmc", GeneMethod::Hmc),
    ("nuts", GeneMethod::Nuts),
    ("laplace", GeneMethod::Laplace),
    ("auto", GeneMethod::Auto),
    ("svi", GeneMethod::Svi),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let n_genes = args.first().map_or(500, |a| a.parse().expect("a number of genes"));
    let what = args.get(1).map_or("all", String::as_str);
    let is_wanted = |name: &str| what == "all" || what == name;
    let set = data::simulate(n_genes, 1);
    let blueprint = Blueprint::new(data::design(), data::spec(), &set).expect("valid by construction");
    if is_wanted("gradient") {
        parts::gradient(&blueprint, &set);
    }
    if is_wanted("split") {
        parts::split(&blueprint, &set);
    }
    if is_wanted("guide") {
        parts::guide(&blueprint, &set);
    }
    if what == "agree" {
        let other = if args.get(2).is_some_and(|a| a == "hmc") { GeneMethod::Hmc } else { GeneMethod::Svi };
        fits::agree(other, &blueprint, &set);
    }
    for (name, method) in METHODS.into_iter().filter(|(name, _)| is_wanted(name)) {
        fits::whole(name, method, &blueprint, &set);
    }
}

fn quantiles(values: impl Iterator<Item = f64>, at: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    at.iter().map(|q| sorted[(q * (sorted.len() - 1) as f64) as usize]).collect()
}
