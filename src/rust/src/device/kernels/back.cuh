// Backwards through the factor: derivatives in the logs of the standard deviations and in ks.

// What one pair of coordinates gives: to the standard deviation of each, and to ks.
__device__ inline void add_pair(const Frame& f, Work& w, int part, int a, int b, double x, int lane) {
  if (f.sd_of[a] >= 0) w.sd_part[AT(part * f.n_sd + f.sd_of[a])] += x;
  if (f.sd_of[b] >= 0) w.sd_part[AT(part * f.n_sd + f.sd_of[b])] += x;
  w.ks_part[AT(part)] += x;
}

// What one coordinate gives by itself: the derivative in its value, and its right side's.
__device__ inline void add_single(const Frame& f, const Gene& g, Work& w, int part, int a, int lane) {
  double pulled = w.q[AT(a)] * w.ks[lane] * scale_of(f, w, a, lane) * g.pull[a];
  if (f.sd_of[a] >= 0) w.sd_part[AT(part * f.n_sd + f.sd_of[a])] += w.g_u[AT(a)] * w.u[AT(a)] + pulled;
  w.ks_part[AT(part)] += pulled;
}

// Derivative in an entry of the factor, but for its diagonal's logarithm.
__device__ inline double d_factor(const Work& w, int a, int b, int lane) {
  return -(w.v[AT(a)] * w.w[AT(b)] + w.q[AT(a)] * w.t[AT(b)]);
}

__device__ inline void clear_parts(const Frame& f, Work& w, int part, int lane) {
  for (int k = 0; k < f.n_sd; k++) w.sd_part[AT(part * f.n_sd + k)] = 0;
  w.ks_part[AT(part)] = 0;
}

// Core: w_c <- R_c^-1 (w_c - sum X_i w_i) is done; q_c, and the derivative in G_cc.
CALL void back_core(const Frame& f, const Gene& g, Work& w, int lane) {
  int at = f.n_in_blocks, part = f.n_blocks;
  for (int e = 0; e < f.c; e++) w.q[AT(at + e)] = w.w[AT(at + e)];
  solve_upper(w.r_c, 0, f.c, w.q, at, lane);
  for (int e = 0; e < f.c; e++)
    for (int h = 0; h <= e; h++)
      M(w.rbar_c, 0, f.c, e, h) = d_factor(w, at + e, at + h, lane) - (e == h ? 1 / M(w.r_c, 0, f.c, e, e) : 0);
  factor_back(w.r_c, w.rbar_c, 0, f.c, lane);
  clear_parts(f, w, part, lane);
  for (int e = 0; e < f.c; e++) {
    add_single(f, g, w, part, at + e, lane);
    for (int h = 0; h <= e; h++)
      add_pair(f, w, part, at + e, at + h, M(w.rbar_c, 0, f.c, e, h) * e_core(f, g, w, e, h, lane), lane);
    // For the blocks: off the diagonal an entry stands for two.
    M(w.rbar_c, 0, f.c, e, e) *= 2;
  }
}

// Row e of the derivative in G_cc times column a of X_i.
__device__ inline double core_times_cross(const Frame& f, const Work& w, int x, int e, int a, int lane) {
  double sum = 0;
  for (int h = 0; h < f.c; h++)
    sum += M(w.rbar_c, 0, f.c, h < e ? e : h, h < e ? h : e) * M(w.x_b, x, f.b, h, a);
  return sum;
}

// Block i, after the core.
CALL void back_block(const Frame& f, const Gene& g, Work& w, int i, int lane) {
  int at = i * f.b, r = i * f.b * f.b, x = i * f.c * f.b;
  for (int a = 0; a < f.b; a++) w.q[AT(at + a)] = w.w[AT(at + a)];
  solve_block_upper(f, w, w.q, i, lane);
  clear_parts(f, w, i, lane);
  // The derivative in X_i, then in G_ci = X_i R_i'.
  for (int e = 0; e < f.c; e++) {
    for (int a = 0; a < f.b; a++)
      M(w.xbar_b, x, f.b, e, a) = d_factor(w, f.n_in_blocks + e, at + a, lane) - core_times_cross(f, w, x, e, a, lane);
    solve_upper(w.r_b, r, f.b, w.xbar_b, x + e * f.b, lane);
    for (int a = 0; a < f.b; a++)
      add_pair(f, w, i, at + a, f.n_in_blocks + e, M(w.xbar_b, x, f.b, e, a) * e_cross(f, g, w, i, e, a, lane), lane);
  }
  for (int a = 0; a < f.b; a++)
    for (int b = 0; b <= a; b++) {
      double sum = d_factor(w, at + a, at + b, lane) - (a == b ? 1 / M(w.r_b, r, f.b, a, a) : 0);
      for (int e = 0; e < f.c; e++) sum -= M(w.xbar_b, x, f.b, e, a) * M(w.x_b, x, f.b, e, b);
      M(w.rbar_b, r, f.b, a, b) = sum;
    }
  factor_back(w.r_b, w.rbar_b, r, f.b, lane);
  for (int a = 0; a < f.b; a++) {
    add_single(f, g, w, i, at + a, lane);
    for (int b = 0; b <= a; b++)
      add_pair(f, w, i, at + a, at + b, M(w.rbar_b, r, f.b, a, b) * e_block(f, g, w, i, a, b, lane), lane);
  }
}
