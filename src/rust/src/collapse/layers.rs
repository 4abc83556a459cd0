//! Numbers that are sums of layers, of which each position has its own multiples: what a term that is integrated out before leaves of the
//! others' information is `A - sum rho_c B_c`, with a `rho_c` for each class of its levels ([`super::innermost`]).

/// Sets `out` to the sum of the layers in `from`, one after the other, so many times each; the first is taken once.
pub fn combine(times: &[f64], from: &[f64], out: &mut [f64]) {
    let n = out.len();
    out.copy_from_slice(&from[..n]);
    for (layer, x) in times.iter().enumerate().skip(1) {
        out.iter_mut().zip(&from[layer * n..(layer + 1) * n]).for_each(|(o, v)| *o += x * v);
    }
}
