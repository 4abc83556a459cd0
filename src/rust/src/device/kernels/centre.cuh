// The map's constants at a centre, and the first centre. The CPU's definition is `lanes/centre.rs`.


// What the way to the start needs besides the target's memory.
struct Climb {
  double *u, *theta;                   // [n], [n_scales] centre of the map
  double *gradient, *direction;        // [d]
  double *rows;                        // [d][d] of the Hessian, with the sign turned
  double *a, *r;                       // lower triangles of d
  double *small;                       // [n_scales][n_scales]
  double *profile, *bends;             // [n_scales][GRID], [n_scales][BEND_SIZE]
  double *weight, *response, *excess;  // [n_leaves]
  double *scratch;                     // [32]
  double *decrement, *evaluations;     // [1]
};

CALL double* lay_out(const Frame& f, double* memory, Climb& c) {
  c.u = memory, c.theta = c.u + f.n;
  c.gradient = c.theta + f.n_scales, c.direction = c.gradient + f.d;
  c.rows = c.direction + f.d;
  c.a = c.rows + f.d * f.d, c.r = c.a + lower_size(f.d);
  c.small = c.r + lower_size(f.d);
  c.profile = c.small + f.n_scales * f.n_scales, c.bends = c.profile + f.n_scales * GRID;
  c.weight = c.bends + f.n_scales * BEND_SIZE, c.response = c.weight + f.n_leaves, c.excess = c.response + f.n_leaves;
  c.scratch = c.excess + f.n_leaves;
  c.decrement = c.scratch + 32, c.evaluations = c.decrement + 1;
  return c.evaluations + 1;
}

// Log rate of a leaf, and its weight, which is zero for a leaf without exposure.
CALL void rough_rate(const Gene& g, Climb& c, int leaf) {
  double total = ROUGH_COUNT, exposure = 0;
  for (u32 r = g.row_start[leaf]; r < g.row_start[leaf + 1]; r++) {
    total += g.total[r];
    exposure += g.weight[r] * exp((double)g.offset[r]);
  }
  c.response[leaf] = exposure > 0 ? log(total / exposure) : 0;
  c.weight[leaf] = exposure > 0 ? 1 / (1 / total + ROUGH_VARIANCE) : 0;
}

// Sum over all leaves of weight, core column i and, unless they are -1, column j or the response.
__device__ inline double over_core(const Frame& f, const Climb& c, int i, int j) {
  double sum = 0;
  for (int leaf = 0; leaf < f.n_leaves; leaf++) {
    const double* x = f.xc + leaf * f.c;
    sum += j < 0 ? c.response[leaf] * x[i] : c.weight[leaf] * x[i] * x[j];
  }
  return sum;
}

// Coefficients by least squares on the log rates of the leaves, effects zero, scales where their bends begin.
CALL void rough_centre(const Frame& f, const Gene& g, Climb& c) {
  int first = f.c - f.p;
  for EACH(leaf, f.n_leaves) {
    rough_rate(g, c, leaf);
    c.response[leaf] *= c.weight[leaf];
  }
  __syncthreads();
  for EACH(at, f.p * f.p) {
    int i = at / f.p, j = at % f.p;
    if (j <= i) c.a[LOWER(i, j)] = g.s[(first + i) * f.c + first + j] + over_core(f, c, first + i, first + j);
  }
  for EACH(i, f.p) c.direction[i] = g.v0[first + i] + over_core(f, c, first + i, -1);
  for EACH(i, f.first_coefficient) c.u[i] = 0;
  for EACH(k, f.n_scales) c.theta[k] = g.bend[BEND_SIZE * k];
  __syncthreads();
  if (threadIdx.x == 0) {
    bool known = factor_lower<true>(c.a, c.r, f.p, 0) || factor_lower<true>(c.a, c.r, f.p, ROUGH_RIDGE);
    if (known) solve_lower_twice(c.r, f.p, c.direction);
    for (int i = 0; i < f.p; i++) c.u[f.first_coefficient + i] = known ? c.direction[i] : 0;
  }
  __syncthreads();
}

// Sums over a leaf's rows: information, that times the linear predictor plus the derivative in it, and information times
// the share of the variance in excess of a Poisson's.
CALL void leaf_moments(const Frame& f, const Gene& g, Climb& c, int leaf) {
  const double* block = c.u + f.leaf_block[leaf] * f.b;
  double eta = 0, weight = 0, pull = 0, excess = 0;
  for (int a = 0; a < f.b; a++) eta += f.zb[leaf * f.b + a] * block[a];
  for (int e = 0; e < f.c; e++) eta += f.xc[leaf * f.c + e] * c.u[f.n_in_blocks + e];
  double log_phi = f.is_negative_binomial ? c.theta[f.n_sd] : 0, phi = exp(log_phi);
  for (u32 r = g.row_start[leaf]; r < g.row_start[leaf + 1]; r++) {
    real e = (real)(eta + g.offset[r] - log_phi);
    double total = g.total[r], mass = g.weight[r] * phi, share = 0, own;
    if (f.is_negative_binomial) {
      Softplus<real> s = softplus(e);
      share = s.share;
      own = mass * share;
      pull += total * s.rest - own;
    } else {
      own = g.weight[r] * exp(e);
      pull += total - own;
    }
    own = fmin(own, MAX_INFORMATION);
    weight += own;
    excess += own * share;
  }
  c.weight[leaf] = weight;
  c.response[leaf] = weight * eta + pull;
  c.excess[leaf] = excess;
}

// Information and pull of block i, entry (row a, column j < b of the block, j < 0 the pull, or e of the core).
__device__ inline double over_block(const Frame& f, const Climb& c, int block, int a, int j, int e) {
  double sum = 0;
  for (int l = f.block_start[block]; l < f.block_start[block + 1]; l++) {
    int leaf = f.block_leaf[l];
    double z = f.zb[leaf * f.b + a];
    double other = e >= 0 ? f.xc[leaf * f.c + e] : j >= 0 ? f.zb[leaf * f.b + j] : 1;
    sum += (j < 0 && e < 0 ? c.response[leaf] : c.weight[leaf]) * z * other;
  }
  return sum;
}

CALL void set_information(const Frame& f, Gene& g, const Climb& c) {
  for EACH(at, f.n_in_blocks * f.b)
    if (at % f.b <= at / f.b % f.b) g.a_bb[at] = over_block(f, c, at / (f.b * f.b), at / f.b % f.b, at % f.b, -1);
  for EACH(at, f.n_in_blocks * f.c)
    g.a_cb[at] = over_block(f, c, at / (f.b * f.c), at % f.b, -1, at / f.b % f.c);
  for EACH(at, f.c * f.c)
    if (at % f.c <= at / f.c) g.a_cc[at] = over_core(f, c, at / f.c, at % f.c);
  for EACH(a, f.n)
    g.pull[a] = a < f.n_in_blocks ? over_block(f, c, a / f.b, a % f.b, -1, -1) : over_core(f, c, a - f.n_in_blocks, -1);
}

// Centres the map at c.u and c.theta, its scales straight. All threads call it.
CALL void centre_map(const Frame& f, Gene& g, Climb& c) {
  for EACH(k, f.n_scales) {
    double* bend = g.bend + BEND_SIZE * k;
    bend[0] = c.theta[k], bend[1] = 1, bend[2] = bend[3] = 0;
  }
  for EACH(leaf, f.n_leaves) leaf_moments(f, g, c, leaf);
  __syncthreads();
  set_information(f, g, c);
  double sum = 0, excess = 0;
  for EACH(leaf, f.n_leaves) sum += c.weight[leaf], excess += c.excess[leaf];
  sum = block_sum(sum, c.scratch), excess = block_sum(excess, c.scratch);
  if (threadIdx.x == 0) {
    double share = excess / sum;
    bool usable = f.is_negative_binomial && share > 0 && share <= 1;
    g.shape_centre = g.centre[0] = usable ? c.theta[f.n_sd] : 0;
    g.excess = g.centre[1] = usable ? share : 0;
  }
  __syncthreads();
}
