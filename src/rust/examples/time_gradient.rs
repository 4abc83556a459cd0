//! Times one gradient of a nested negative binomial model in each transport.
#[path = "../tests/common/mod.rs"]
mod common;
use common::{Shape, model};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use twill::density::LogDensity;
use twill::settle::settle;
use twill::spec::{Engine, Family};
use twill::whiten::*;

fn main() {
    rows();
    let shape = Shape {
        family: Family::NegBinomial,
        n: 403,
        p: 4,
        terms: vec![(118, 1, false), (63, 1, false)],
        horseshoe_b: false,
        horseshoe_sd: false,
        autoscale: false,
        centred: false,
        regression: false,
        se: false,
    };
    let mut m = model(&shape, 1);
    for i in 0..403 {
        m.design.terms[0].codes[i] = (i * 118 / 403) as u32;
        m.design.terms[1].codes[i] = (m.design.terms[0].codes[i] * 63 / 118) as u32;
    }
    let m = Arc::new(m);
    for choice in [Engine::Levels, Engine::Joint] {
        let t = Instant::now();
        let s = settle(&m, choice, &AtomicBool::new(false));
        println!("{choice:?} settle {:?}", t.elapsed());
        let mut p = s.posterior;
        let x = s.mode.clone();
        let mut g = vec![0.0; x.len()];
        let t = Instant::now();
        for _ in 0..20000 {
            p.evaluate(&x, &mut g);
        }
        println!("gradient {:?}", t.elapsed() / 2000);
        if let twill::transport::Transport::Joint(j) = &*p.transport {
            println!(
                "products {} entries {} pieces {}",
                j.skeleton.pattern.n_products(),
                j.skeleton.pattern.n_entries(),
                j.skeleton.pieces.len()
            );
        }
        let t = Instant::now();
        let w = Whitening::at_mode(&mut p, x.clone(), &AtomicBool::new(false));
        println!("whiten {:?}", t.elapsed());
        let mut w = Whitened::new(p, Arc::new(w));
        let t = Instant::now();
        for _ in 0..2000 {
            w.evaluate(&vec![0.1; x.len()], &mut g);
        }
        println!("whitened gradient {:?}", t.elapsed() / 2000);
    }
}

fn rows() {
    let n = 5000;
    let (y, w): (Vec<f64>, Vec<f64>) = ((0..n).map(|i| f64::from(i % 7)).collect(), vec![1.0; n as usize]);
    let eta: Vec<f64> = (0..n).map(|i| f64::from(i % 11) * 0.3 - 1.0).collect();
    let mut d = vec![0.0; n as usize];
    let t = Instant::now();
    let mut s = 0.0;
    for i in 0..1000 {
        s += twill::kernels::negative_binomial(&y, &w, &eta, 0.001 * f64::from(i), &mut d).0;
    }
    println!("row {:.2} ns ({s})", t.elapsed().as_secs_f64() * 1e9 / 1000.0 / f64::from(n));
}
