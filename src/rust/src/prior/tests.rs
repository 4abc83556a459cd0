//! Priors against R, their own differences and integrals.

use super::*;
use crate::number::Draws8;
use approx::assert_relative_eq;

fn prior(dist: &str, args: &[f64], positive: bool) -> Prior {
    Prior::new(&PriorSpec { dist: dist.into(), args: args.to_vec() }, positive).unwrap()
}

/// R 4.2.2: dnorm(.3,1,2,TRUE), dt((.3-1)/2,3,log=TRUE)-log(2), dgamma(.3,2,rate=3,log=TRUE),
/// dlnorm(.3,1,2,TRUE), dexp(.3,.5,TRUE); inv_gamma(2, 3): 2*log(3)-3*log(.3)-3/.3.
#[test]
fn densities_agree_with_r() {
    let cases = [
        ("normal", vec![1.0, 2.0], -1.673_335_713_764_618),
        ("student_t", vec![3.0, 1.0, 2.0], -1.774_079_378_882_427_2),
        ("gamma", vec![2.0, 3.0], 0.093_251_773_010_283_5),
        ("lognormal", vec![1.0, 2.0], -1.015_299_924_714_723_4),
        ("exponential", vec![0.5], -0.843_147_180_559_945_3),
        ("inv_gamma", vec![2.0, 3.0], -4.190_857_009_685_972),
    ];
    for (dist, args, expected) in cases {
        assert_relative_eq!(prior(dist, &args, false).log_density(0.3)[0], expected, max_relative = 1e-8);
    }
}

#[test]
fn half_priors_integrate_to_one() {
    let cases = [
        prior("normal", &[0.0, 1.5], true),
        prior("normal", &[-1.0, 1.5], true),
        prior("student_t", &[3.0, 1.0, 0.5], true),
        prior("double_exponential", &[0.5, 1.0], true),
        prior("uniform", &[-1.0, 4.0], true),
    ];
    for p in cases {
        let h = 1e-3;
        let mass: f64 = (0..400_000).map(|i| p.log_density((i as f64 + 0.5) * h)[0].exp() * h).sum();
        assert_relative_eq!(mass, 1.0, epsilon = 2e-6, max_relative = 2e-6);
    }
}

#[test]
fn derivatives_agree_with_differences() {
    let cases = [
        prior("normal", &[1.0, 2.0], true),
        prior("student_t", &[3.0, 1.0, 2.0], true),
        prior("gamma", &[2.0, 3.0], true),
        prior("inv_gamma", &[2.0, 3.0], true),
        prior("lognormal", &[0.0, 1.0], true),
        prior("double_exponential", &[0.0, 1.0], true),
        prior("horseshoe_scale", &[0.3, 6.0], true),
    ];
    for p in cases {
        for x in [0.2, 1.1, 4.0] {
            let slope = (p.log_density(x + 1e-6)[0] - p.log_density(x - 1e-6)[0]) / 2e-6;
            assert_relative_eq!(p.log_density(x)[1], slope, epsilon = 1e-7, max_relative = 1e-6);
        }
    }
    for log_x in [-3.0, 0.0, 2.0] {
        let slope = (log_half_student_t(3.0, log_x + 1e-6)[0] - log_half_student_t(3.0, log_x - 1e-6)[0]) / 2e-6;
        assert_relative_eq!(log_half_student_t(3.0, log_x)[1], slope, epsilon = 1e-7, max_relative = 1e-6);
    }
}

/// Over the unconstrained scale there is no singularity and no end; the density of the parameter is the one that
/// [`Prior::log_density`] gives.
#[test]
fn bounded_scales_integrate_to_one() {
    let cases: [(&str, [f64; 2]); 6] = [
        ("horseshoe_scale", [0.3, 2.0]),
        ("horseshoe_scale", [1.5, 0.5]),
        ("uniform", [0.0, 3.0]),
        ("uniform", [0.0, 0.02]),
        ("uniform", [-2.0, 60.0]),
        ("uniform", [0.4, 5.0]),
    ];
    for (dist, args) in cases {
        let p = prior(dist, &args, true);
        let h = 1e-3;
        let at = |i: i32| p.positive(h * f64::from(i));
        let mass: f64 = (-30_000..30_000).map(|i| (at(i).lprior + at(i).log_jacobian).exp() * h).sum();
        assert_relative_eq!(mass, 1.0, max_relative = 1e-9);
        for i in [-4000, -1000, 0, 700, 2000] {
            let (up, down, x) = (at(i + 1), at(i - 1), at(i));
            assert_relative_eq!(p.log_density(x.value)[0], x.lprior, max_relative = 1e-10);
            assert_relative_eq!(x.log, x.value.ln(), epsilon = 1e-13, max_relative = 1e-12);
            assert_relative_eq!(x.d_log, (up.log - down.log) / (2.0 * h), max_relative = 1e-5);
            assert_relative_eq!(x.log_jacobian.exp(), x.value * x.d_log, max_relative = 1e-12);
            let slope = (up.lprior + up.log_jacobian - down.lprior - down.log_jacobian) / (2.0 * h);
            assert_relative_eq!(x.slope, slope, max_relative = 1e-5, epsilon = 1e-6);
        }
    }
}

/// R 4.2.2: `l <- abs(rcauchy(1e7)); s <- .3 * l * 2 / sqrt(4 + .09 * l^2); mean(s < .25)` gives 0.4440;
/// exactly `2 / pi * atan(r / .3)` at the `r` with `s = .25`.
#[test]
fn horseshoe_scale_has_the_probabilities_of_its_definition() {
    let p = prior("horseshoe_scale", &[0.3, 2.0], true);
    let h = 1e-5;
    let mass: f64 = (0..25_000).map(|i| p.log_density((f64::from(i) + 0.5) * h)[0].exp() * h).sum();
    let r = 0.25 / (1.0_f64 - (0.25_f64 / 2.0).powi(2)).sqrt();
    assert_relative_eq!(mass, 2.0 / PI * (r / 0.3).atan(), max_relative = 1e-8);
}

/// Eight at once as one by one: the same bits.
#[test]
fn lanes_are_single_values() {
    let t = Draws8([-9.0, -2.0, -0.5, 0.0, 0.3, 1.0, 2.5, 6.0]);
    let cases: [(&str, &[f64]); 7] = [
        ("student_t", &[3.0, 0.2, 0.7]),
        ("normal", &[0.1, 2.0]),
        ("lognormal", &[1.0, 0.6]),
        ("gamma", &[2.0, 0.3]),
        ("horseshoe_scale", &[0.3, 2.0]),
        ("uniform", &[0.0, 3.0]),
        ("uniform", &[0.5, 3.0]),
    ];
    for (dist, args) in cases {
        let (p, bits) = (prior(dist, args, true), |x: f64| x.to_bits());
        let all = p.positive(t);
        for (s, t) in t.0.into_iter().enumerate() {
            let one = p.positive(t);
            for (all, one) in [
                (all.value, one.value),
                (all.log, one.log),
                (all.d_log, one.d_log),
                (all.lprior, one.lprior),
                (all.log_jacobian, one.log_jacobian),
                (all.slope, one.slope),
            ] {
                assert_eq!(bits(all.0[s]), bits(one), "{dist} at {t}");
            }
        }
    }
}

#[test]
fn bad_priors_are_refused() {
    for (dist, args) in [("normal", vec![0.0]), ("normal", vec![0.0, -1.0]), ("gaussian", vec![0.0, 1.0])] {
        assert!(Prior::new(&PriorSpec { dist: dist.into(), args }, false).is_err());
    }
}
