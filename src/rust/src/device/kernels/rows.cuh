// Log-likelihood of a gene's rows and its derivatives; a thread has a part of the leaves of one position.

// Counts above this have rows in double precision: what single precision loses of a log-likelihood grows with the count.
#define MANY 1000

struct LeafSums {
  double value, d_eta, d_phi;
};

// Adds a row whose linear predictor, less log phi, is e: exponentials and logarithms in T.
template <typename T>
__device__ inline void add_row(const Frame& f, T e, T total, T weight, T phi, LeafSums& sums) {
  if (f.is_negative_binomial) {
    T mass = weight * phi;
    Softplus<T> s = softplus(e);
    sums.value -= (double)(total * s.below + mass * s.above);
    sums.d_eta += (double)(total * s.rest - mass * s.share);
    sums.d_phi += (double)(mass * s.slack - total * s.rest);
  } else {
    T mu = weight * exp(e);
    sums.value += (double)(total * e - mu);
    sums.d_eta += (double)(total - mu);
  }
}

// Adds the rows of a leaf: values and derivatives in eta and log phi.
CALL void leaf_rows(const Frame& f, const Gene& g, Work& w, int leaf, int lane, LeafSums& sums) {
  double eta = 0;
  int block = f.leaf_block[leaf];
  for (int a = 0; a < f.b; a++) eta += f.zb[leaf * f.b + a] * w.u[AT(block * f.b + a)];
  for (int e = 0; e < f.c; e++) eta += f.xc[leaf * f.c + e] * w.u[AT(f.n_in_blocks + e)];
  double from = eta - w.log_phi[lane], phi = w.phi[lane];
  sums.d_eta = 0;
  for (u32 r = g.row_start[leaf]; r < g.row_start[leaf + 1]; r++) {
    real total = g.total[r], weight = g.weight[r];
    double e = from + g.offset[r];
    if (total > MANY)
      add_row<double>(f, e, total, weight, phi, sums);
    else
      add_row<real>(f, (real)e, total, weight, (real)phi, sums);
  }
  w.d_eta[AT(leaf)] = sums.d_eta;
}

// The leaves of a part.
CALL void part_rows(const Frame& f, const Gene& g, Work& w, int part, int lane) {
  LeafSums sums = {0, 0, 0};
  for (int leaf = part_start(f, part); leaf < part_start(f, part + 1); leaf++) leaf_rows(f, g, w, leaf, lane, sums);
  w.part_value[AT(part)] = sums.value;
  w.part_d_phi[AT(part)] = sums.d_phi;
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
