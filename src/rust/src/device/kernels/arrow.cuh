// The joint conditional Gaussian of effects and coefficients: factor of an arrow matrix, solves, and all of it backwards.
//
// G = E + diag(1 on effects; S on coefficients), E = ks D A D; G = R R' with the blocks first:
//   R_i = chol(G_ii)    X_i = G_ci R_i^-T    R_c = chol(G_cc - sum_i X_i X_i')
// Small matrices of one position belong to one thread; those of the blocks go side by side.

// Element of a matrix with `columns` columns that starts at item `start`.
#define M(matrix, start, columns, i, j) (matrix)[AT((start) + (i) * (columns) + (j))]

// Cholesky factor of the n x n matrix at `start`, in place; the upper triangle is left as it is.
CALL void factor(double* r, int start, int n, int lane) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j <= i; j++) {
      double sum = M(r, start, n, i, j);
      for (int k = 0; k < j; k++) sum -= M(r, start, n, i, k) * M(r, start, n, j, k);
      M(r, start, n, i, j) = i == j ? sqrt(sum) : sum / M(r, start, n, j, j);
    }
}

// x <- R^-1 x
CALL void solve_lower(const double* r, int start, int n, double* x, int at, int lane) {
  for (int i = 0; i < n; i++) {
    double sum = x[AT(at + i)];
    for (int k = 0; k < i; k++) sum -= M(r, start, n, i, k) * x[AT(at + k)];
    x[AT(at + i)] = sum / M(r, start, n, i, i);
  }
}

// x <- R^-T x
CALL void solve_upper(const double* r, int start, int n, double* x, int at, int lane) {
  for (int i = n - 1; i >= 0; i--) {
    double sum = x[AT(at + i)];
    for (int k = i + 1; k < n; k++) sum -= M(r, start, n, k, i) * x[AT(at + k)];
    x[AT(at + i)] = sum / M(r, start, n, i, i);
  }
}

// From the derivative in R to that in G, each entry of the lower triangle counted once, in place.
CALL void factor_back(const double* r, double* d, int start, int n, int lane) {
  for (int j = n - 1; j >= 0; j--) {
    double inverse = 1 / M(r, start, n, j, j);
    for (int i = n - 1; i > j; i--) {
      double e = M(d, start, n, i, j) * inverse;
      M(d, start, n, i, j) = e;
      M(d, start, n, j, j) -= e * M(r, start, n, i, j);
      for (int k = 0; k < j; k++) {
        M(d, start, n, i, k) -= e * M(r, start, n, j, k);
        M(d, start, n, j, k) -= e * M(r, start, n, i, k);
      }
    }
    double e = M(d, start, n, j, j) * inverse;
    M(d, start, n, j, j) = 0.5 * e;
    for (int k = 0; k < j; k++) M(d, start, n, j, k) -= e * M(r, start, n, j, k);
  }
}

// Entries of E: within block i, between coordinate e of the core and the block, within the core.
__device__ inline double e_block(const Frame& f, const Gene& g, const Work& w, int i, int a, int b, int lane) {
  int at = i * f.b;
  return w.ks[lane] * scale_of(f, w, at + a, lane) * scale_of(f, w, at + b, lane) * g.a_bb[(at + a) * f.b + b];
}
__device__ inline double e_cross(const Frame& f, const Gene& g, const Work& w, int i, int e, int a, int lane) {
  double scales = scale_of(f, w, f.n_in_blocks + e, lane) * scale_of(f, w, i * f.b + a, lane);
  return w.ks[lane] * scales * g.a_cb[(i * f.c + e) * f.b + a];
}
__device__ inline double e_core(const Frame& f, const Gene& g, const Work& w, int e, int h, int lane) {
  int at = f.n_in_blocks;
  return w.ks[lane] * scale_of(f, w, at + e, lane) * scale_of(f, w, at + h, lane) * g.a_cc[e * f.c + h];
}

__device__ inline double right_side(const Frame& f, const Gene& g, const Work& w, int a, int lane) {
  double x = w.ks[lane] * scale_of(f, w, a, lane) * g.pull[a];
  return a < f.n_in_blocks ? x : x + g.v0[a - f.n_in_blocks];
}

// Factor of block i, and t_i.
CALL void factor_block(const Frame& f, const Gene& g, Work& w, int i, int lane) {
  int r = i * f.b * f.b, x = i * f.c * f.b, at = i * f.b;
  for (int a = 0; a < f.b; a++) {
    for (int b = 0; b <= a; b++) M(w.r_b, r, f.b, a, b) = e_block(f, g, w, i, a, b, lane) + (a == b);
    w.t[AT(at + a)] = right_side(f, g, w, at + a, lane);
  }
  factor(w.r_b, r, f.b, lane);
  solve_lower(w.r_b, r, f.b, w.t, at, lane);
  for (int e = 0; e < f.c; e++) {
    for (int a = 0; a < f.b; a++) M(w.x_b, x, f.b, e, a) = e_cross(f, g, w, i, e, a, lane);
    solve_lower(w.r_b, r, f.b, w.x_b, x + e * f.b, lane);
  }
}

// Entry (e, h) of G_cc - sum X_i X_i'; with h = e also the right side.
CALL void schur(const Frame& f, const Gene& g, Work& w, int e, int h, int lane) {
  double sum = e_core(f, g, w, e, h, lane) + g.s[e * f.c + h], t = 0;
  for (int i = 0; i < f.n_blocks; i++)
    for (int a = 0; a < f.b; a++) {
      double x = M(w.x_b, i * f.c * f.b, f.b, e, a);
      sum -= x * M(w.x_b, i * f.c * f.b, f.b, h, a);
      if (e == h) t += x * w.t[AT(i * f.b + a)];
    }
  M(w.r_c, 0, f.c, e, h) = sum;
  if (e == h) w.t[AT(f.n_in_blocks + e)] = right_side(f, g, w, f.n_in_blocks + e, lane) - t;
}

// v of the core: R_c^-T (t_c + z_c).
CALL void solve_core(const Frame& f, Work& w, int lane) {
  int at = f.n_in_blocks;
  factor(w.r_c, 0, f.c, lane);
  solve_lower(w.r_c, 0, f.c, w.t, at, lane);
  for (int e = 0; e < f.c; e++) w.v[AT(at + e)] = w.t[AT(at + e)] + w.y[AT(at + e)];
  solve_upper(w.r_c, 0, f.c, w.v, at, lane);
}

// out_i <- R_i^-T (out_i - X_i' out_c)
CALL void solve_block_upper(const Frame& f, const Work& w, double* out, int i, int lane) {
  int at = i * f.b, x = i * f.c * f.b;
  for (int a = 0; a < f.b; a++)
    for (int e = 0; e < f.c; e++) out[AT(at + a)] -= M(w.x_b, x, f.b, e, a) * out[AT(f.n_in_blocks + e)];
  solve_upper(w.r_b, i * f.b * f.b, f.b, out, at, lane);
}
