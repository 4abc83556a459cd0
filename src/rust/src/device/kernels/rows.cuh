// Log-likelihood of a gene's rows and its derivatives; a thread has one leaf of one position.

// Rows of a leaf: values and derivatives in eta and log phi.
CALL void leaf_rows(const Frame& f, const Gene& g, Work& w, int leaf, int lane) {
  double eta = 0;
  int block = f.leaf_block[leaf];
  for (int a = 0; a < f.b; a++) eta += f.zb[leaf * f.b + a] * w.u[AT(block * f.b + a)];
  for (int e = 0; e < f.c; e++) eta += f.xc[leaf * f.c + e] * w.u[AT(f.n_in_blocks + e)];
  double value = 0, d_eta = 0, d_phi = 0, from = eta - w.log_phi[lane];
  real phi = (real)w.phi[lane];
  for (u32 r = g.row_start[leaf]; r < g.row_start[leaf + 1]; r++) {
    real total = g.total[r], e = (real)(from + g.offset[r]);
    if (f.is_negative_binomial) {
      real mass = g.weight[r] * phi;
      Softplus s = softplus(e);
      value -= (double)(total * s.below + mass * s.above);
      d_eta += (double)(total * s.rest - mass * s.share);
      d_phi += (double)(mass * s.slack - total * s.rest);
    } else {
      real mu = g.weight[r] * exp(e);
      value += (double)(total * e - mu);
      d_eta += (double)(total - mu);
    }
  }
  w.leaf_value[AT(leaf)] = value;
  w.d_eta[AT(leaf)] = d_eta;
  w.leaf_d_phi[AT(leaf)] = d_phi;
}

// The j-th of DIRECT parts of sum ln Gamma(phi + y) - ln Gamma(phi) over the counts, and of its derivative in phi:
// the factor phi + j of all counts, and every DIRECT-th of the larger counts.
CALL void rising_part(const Gene& g, Work& w, int j, int lane) {
  double phi = w.phi[lane], n = g.above[j];
  double value = n == 0 ? 0 : n * log(phi + j), slope = n / (phi + j);
  double base = phi + DIRECT, from = 1 / base, linear = log(base) - 1;
  double below = stirling(from), d_below = d_stirling(from);
  for (int i = j; i < g.n_large; i += DIRECT) {
    double d = g.large[i], weight = g.large_weight[i], top = base + d, r = 1 / top, ratio = log1p(d / base);
    value += weight * ((top - 0.5) * ratio + d * linear + stirling(r) - below);
    slope += weight * (ratio + 0.5 * d * from * r + d_stirling(r) - d_below);
  }
  w.rising[AT(j)] = value;
  w.d_rising[AT(j)] = slope;
}
