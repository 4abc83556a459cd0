// Log density of a gene's posterior and its gradient in the coordinates of the guide, at LANES positions.
//
// y = (z, x): standard normal coordinates of effects and coefficients given the scales, and the scales, bent. The CPU's
// definition is `lanes/target.rs`. All threads of the block call everything here.

// Scale k from its coordinate: theta = m + s x + g A(x) + h x^2 / 2, A(x) = (x sqrt(1 + x^2) + asinh x) / 2.
CALL void scale_at(const Frame& f, const Gene& g, Work& w, int k, int lane) {
  const double* bend = g.bend + BEND_SIZE * k;
  double x = w.y[AT(f.n + k)], root = sqrt(1 + x * x);
  double theta = bend[0] + bend[1] * x + bend[2] * 0.5 * (x * root + asinh(x)) + bend[3] * 0.5 * x * x;
  double slope = bend[1] + bend[2] * root + bend[3] * x, curve = (bend[2] * x / root + bend[3]) / slope;
  Positive value = positive(g.prior + (f.p + k) * PRIOR_SIZE, theta, k < f.n_sd);
  w.sd[AT(k)] = value.value;
  w.d_log[AT(k)] = value.d_log;
  w.slope[AT(k)] = value.slope;
  w.bent[AT(k)] = slope;
  w.curve[AT(k)] = curve;
  w.scale_part[AT(k)] = value.log_density + log(slope);
  if (k < f.n_sd) return;
  double grown = g.excess * exp(g.shape_centre - value.log), ks = 1 / (1 - g.excess + grown);
  w.phi[lane] = value.value;
  w.log_phi[lane] = value.log;
  w.ks[lane] = ks;
  w.d_ks[lane] = ks * ks * grown;
}

// What the scale of a Poisson model leaves unset.
__device__ inline void no_shape(Work& w, int lane) {
  w.phi[lane] = 1, w.log_phi[lane] = 0, w.ks[lane] = 1, w.d_ks[lane] = 0;
}

// Priors of the coefficients: adds to their derivatives, returns the log density.
CALL double coefficient_priors(const Frame& f, const Gene& g, Work& w, int lane) {
  double sum = 0;
  for (int j = 0; j < f.p; j++) {
    const double* direction = g.directions + j * f.p;
    double argument = 0, slope;
    for (int i = 0; i < f.p; i++) argument += direction[i] * w.u[AT(f.first_coefficient + i)];
    sum += log_prior(g.prior + j * PRIOR_SIZE, argument, slope);
    for (int i = 0; i < f.p; i++) w.g_u[AT(f.first_coefficient + i)] += direction[i] * slope;
  }
  return sum;
}

// Derivative of the log-likelihood in the value of coordinate e of the core, over the leaves of a part or of all.
__device__ inline double over_leaves(const Frame& f, const Work& w, int e, int first, int end, int lane) {
  double sum = 0;
  for (int leaf = first; leaf < end; leaf++) sum += f.xc[leaf * f.c + e] * w.d_eta[AT(leaf)];
  return sum;
}

// Parts of these derivatives, where a part has several leaves: neighbours read neighbouring columns.
CALL void gather_parts(const Frame& f, Work& w) {
  for EACH_LANE(i, f.c * f.n_parts) {
    int e = i % f.c, part = i / f.c;
    w.part_core[AT(e * f.n_parts + part)] = over_leaves(f, w, e, part_start(f, part), part_start(f, part + 1), lane);
  }
  __syncthreads();
}

// Derivative of the log-likelihood in the value of coordinate a.
__device__ inline void gather(const Frame& f, Work& w, int a, int lane) {
  double sum = 0;
  if (a < f.n_in_blocks) {
    int block = a / f.b, column = a % f.b;
    for (int l = f.block_start[block]; l < f.block_start[block + 1]; l++) {
      int leaf = f.block_leaf[l];
      sum += f.zb[leaf * f.b + column] * w.d_eta[AT(leaf)];
    }
  } else if (has_many_leaves(f)) {
    for (int part = 0; part < f.n_parts; part++) sum += w.part_core[AT((a - f.n_in_blocks) * f.n_parts + part)];
  } else {
    sum = over_leaves(f, w, a - f.n_in_blocks, 0, f.n_leaves, lane);
  }
  w.g_u[AT(a)] = sum;
}

// From positions to effects and coefficients.
CALL void to_values(const Frame& f, const Gene& g, Work& w) {
  for EACH_LANE(k, f.n_scales) scale_at(f, g, w, k, lane);
  if (!f.is_negative_binomial)
    for EACH_LANE(i, 1) no_shape(w, lane);
  __syncthreads();
  for EACH_LANE(i, f.n_blocks) factor_block(f, g, w, i, lane);
  __syncthreads();
  for EACH_LANE(i, f.c * f.c)
    if (i % f.c <= i / f.c) schur(f, g, w, i / f.c, i % f.c, lane);
  __syncthreads();
  for EACH_LANE(i, 1) solve_core(f, w, lane);
  __syncthreads();
  for EACH_LANE(i, f.n_blocks) {
    for (int a = i * f.b; a < (i + 1) * f.b; a++) w.v[AT(a)] = w.t[AT(a)] + w.y[AT(a)];
    solve_block_upper(f, w, w.v, i, lane);
  }
  __syncthreads();
  for EACH_LANE(a, f.n) w.u[AT(a)] = scale_of(f, w, a, lane) * w.v[AT(a)];
  __syncthreads();
}

// The sums that make the log density of a position, in a fixed order.
CALL void add_up(const Frame& f, const Gene& g, Work& w, double priors, int lane) {
  double sum = g.constant + priors;
  for (int part = 0; part < f.n_parts; part++) sum += w.part_value[AT(part)];
  if (f.is_negative_binomial)
    for (int j = 0; j < DIRECT; j++) sum += w.rising[AT(j)];
  for (int a = 0; a < f.first_coefficient; a++) sum -= 0.5 * w.v[AT(a)] * w.v[AT(a)] + 0.9189385332046727;
  for (int k = 0; k < f.n_scales; k++) sum += w.scale_part[AT(k)];
  for (int i = 0; i < f.n_blocks; i++)
    for (int a = 0; a < f.b; a++) sum -= log(M(w.r_b, i * f.b * f.b, f.b, a, a));
  for (int e = 0; e < f.c; e++) sum -= log(M(w.r_c, 0, f.c, e, e));
  w.value[lane] = sum;
}

// Log-likelihood, its derivatives in effects and coefficients, and the log density.
CALL void log_density(const Frame& f, const Gene& g, Work& w) {
  for EACH_LANE(part, f.n_parts) part_rows(f, g, w, part, lane);
  if (f.is_negative_binomial)
    for EACH_LANE(j, DIRECT) rising_part(g, w, j, lane);
  __syncthreads();
  if (has_many_leaves(f)) gather_parts(f, w);
  for EACH_LANE(a, f.n) gather(f, w, a, lane);
  __syncthreads();
  for EACH_LANE(i, 1) add_up(f, g, w, coefficient_priors(f, g, w, lane), lane);
  __syncthreads();
}

// Gradient in the coordinates of the scales.
CALL void scale_gradient(const Frame& f, Work& w, int k, int lane) {
  double theta_bar = w.slope[AT(k)];
  if (k < f.n_sd) {
    double sum = 0;
    for (int i = 0; i <= f.n_blocks; i++) sum += w.sd_part[AT(i * f.n_sd + k)];
    theta_bar += sum * w.d_log[AT(k)];
  } else {
    double d_phi = 0, d_rising = 0, d_ks = 0;
    for (int part = 0; part < f.n_parts; part++) d_phi += w.part_d_phi[AT(part)];
    for (int j = 0; j < DIRECT; j++) d_rising += w.d_rising[AT(j)];
    for (int i = 0; i <= f.n_blocks; i++) d_ks += w.ks_part[AT(i)];
    theta_bar += (d_phi + w.phi[lane] * d_rising + d_ks / w.ks[lane] * w.d_ks[lane]) * w.d_log[AT(k)];
  }
  w.g[AT(f.n + k)] = theta_bar * w.bent[AT(k)] + w.curve[AT(k)];
}

// Gradient of the log density, after `log_density`.
CALL void gradient(const Frame& f, const Gene& g, Work& w) {
  for EACH_LANE(a, f.n) {
    double x = scale_of(f, w, a, lane) * w.g_u[AT(a)];
    w.w[AT(a)] = a < f.first_coefficient ? x - w.v[AT(a)] : x;
  }
  __syncthreads();
  for EACH_LANE(i, f.n_blocks) solve_lower(w.r_b, i * f.b * f.b, f.b, w.w, i * f.b, lane);
  __syncthreads();
  for EACH_LANE(e, f.c)
    for (int a = 0; a < f.n_in_blocks; a++)
      w.w[AT(f.n_in_blocks + e)] -= M(w.x_b, a / f.b * f.c * f.b, f.b, e, a % f.b) * w.w[AT(a)];
  __syncthreads();
  for EACH_LANE(i, 1) {
    solve_lower(w.r_c, 0, f.c, w.w, f.n_in_blocks, lane);
    back_core(f, g, w, lane);
  }
  __syncthreads();
  for EACH_LANE(i, f.n_blocks) back_block(f, g, w, i, lane);
  __syncthreads();
  for EACH_LANE(k, f.n_scales) scale_gradient(f, w, k, lane);
  for EACH_LANE(a, f.n) w.g[AT(a)] = w.w[AT(a)];
  __syncthreads();
}

// Log density and gradient at w.y.
__device__ inline void evaluate(const Frame& f, const Gene& g, Work& w) {
  to_values(f, g, w);
  log_density(f, g, w);
  gradient(f, g, w);
}
