// Kernels for a block of genes: one block of threads per gene.

// Numbers that one block works with for steps, starts and walks, and numbers of a record, a guide and a walk; the host
// asks so that it need not know.
KERNEL twill_sizes(const int* ints, const double* reals, u64* sizes) {
  SHARED_VALUE(Views, v);
  if (threadIdx.x != 0) return;
  v.f = frame_of(ints, reals);
  double* start = 0;
  v.behind_work = lay_out(v.f, start, v.w);
  v.behind_step = lay_out(v.f, v.behind_work, v.s);
  sizes[0] = v.behind_step - start;
  sizes[1] = lay_out(v.f, v.behind_work, v.climb) - start;
  sizes[2] = lay_out(v.f, v.behind_step, v.trail) - start;
  sizes[3] = record_size(v.f);
  sizes[4] = guide_size(v.f);
  sizes[5] = walk_size(v.f);
}

// Log densities [gene][LANES] and gradients [gene][d][LANES] at positions [gene][d][LANES].
KERNEL twill_target(GENES_PARAMETERS, const double* positions, double* values, double* gradients, int n_genes,
                    double* elsewhere, u64 stride) {
  OPEN;
  for EACH_ITEM(index, n_genes) {
    open_views(v, genes, ints, reals, index, shared, elsewhere, stride);
    int size = v.f.d * LANES;
    u64 at = (u64)index * size;
    for EACH(i, size) v.w.y[i] = positions[at + i];
    __syncthreads();
    evaluate(v.f, v.g, v.w);
    for EACH(i, size) gradients[at + i] = v.w.g[i];
    for EACH(i, LANES) values[index * LANES + i] = v.w.value[i];
    __syncthreads();
  }
}

// Nats that are still to be had, from the two halves of a window: without bias by the noise.
__device__ inline double gain_of(const Frame& f, const Guide& g, const Step& s, int window) {
  double by = 4.0 / ((double)window * window);
  double shift = inner(g.r_half, g.r_half + f.d, f.d, s.scratch);
  double turn = inner_symmetric(f, g.m_half, g.m_half + lower_size(f.d), s.scratch);
  return by * (shift / 2 + turn / 4);
}

// At the end of a window: the next phase, and empty sums.
CALL void end_window(const Frame& f, Guide& g, const Step& s, const Rules& rules, int step) {
  double gain = gain_of(f, g, s, rules.window);
  __syncthreads();
  if (threadIdx.x == 0) {
    if (*g.phase == SEARCH && gain < rules.search_gain) {
      *g.phase = POLISH;
      *g.polish_from = step;
    } else if (*g.phase == POLISH && step - *g.polish_from >= rules.polish_steps && gain < rules.polish_gain) {
      *g.phase = CONVERGED;
    }
  }
  for EACH(i, 2 * f.d) g.r_half[i] = 0;
  for EACH(i, 2 * lower_size(f.d)) g.m_half[i] = 0;
  __syncthreads();
}

// One step uphill; the estimate of the ELBO.
__device__ inline void take_step(Views& v, u64 seed, u32 number, int step, double* elbo) {
  draw_pairs(v.f, v.s, seed, number, step);
  place(v.f, v.s, v.w);
  evaluate(v.f, v.g, v.w);
  residuals(v.f, v.s, v.w, v.rules.max_residual);
  if (threadIdx.x == 0) *elbo = bound(v.f, v.s, v.w);
  average(v.f, v.s, v.guide, step % v.rules.window >= v.rules.window / 2);
  bool searches = *v.guide.phase == SEARCH;
  move(v.f, v.s, v.rules, searches ? v.rules.rate : 1 / (step - *v.guide.polish_from + v.rules.polish_offset));
  if (step % v.rules.window == v.rules.window - 1) end_window(v.f, v.guide, v.s, v.rules, step + 1);
}

// Steps of one gene, from where its guide is.
__device__ inline void ascend(Views& v, u64 seed, u32 number, int n_steps, double* elbo) {
  Guide& g = v.guide;
  for EACH(i, v.f.d) v.s.m[i] = g.m[i];
  for EACH(i, lower_size(v.f.d)) v.s.t[i] = g.t[i];
  int step = (int)*g.step, end = step + n_steps < v.rules.max_steps ? step + n_steps : v.rules.max_steps;
  __syncthreads();
  for (; step < end && *g.phase < CONVERGED; step++) take_step(v, seed, number, step, elbo + step);
  for EACH(i, v.f.d) g.m[i] = v.s.m[i];
  for EACH(i, lower_size(v.f.d)) g.t[i] = v.s.t[i];
  __syncthreads();
  if (threadIdx.x != 0) return;
  *g.step = step;
  if (step >= v.rules.max_steps && *g.phase < CONVERGED) *g.phase = STOPPED;
}

// Up to n_steps steps of each gene that is not done; ELBO per step to elbo [gene][max_steps], phases to phases [gene].
KERNEL twill_svi(GENES_PARAMETERS, double* guides, const u32* numbers, const double* constants, double* elbo,
                 double* phases, u64 seed, int n_steps, int n_genes, double* elsewhere, u64 stride) {
  OPEN;
  for EACH_ITEM(index, n_genes) {
    open_views(v, genes, ints, reals, index, shared, elsewhere, stride);
    if (threadIdx.x == 0) {
      v.guide = guide_of(v.f, guides, index);
      v.rules = rules_of(constants);
    }
    __syncthreads();
    if (*v.guide.phase < CONVERGED) ascend(v, seed, numbers[index], n_steps, elbo + (u64)index * v.rules.max_steps);
    if (threadIdx.x == 0) phases[index] = *v.guide.phase;
    __syncthreads();
  }
}

// LANES draws of one gene's guide, from number `first`. Values: effects and coefficients, then the scales.
__device__ inline void draw(Views& v, u64 seed, u32 number, int first, int n_draws, int n_values, double* values,
                            double* log_ratios) {
  const Frame& f = v.f;
  fill_normals(f, v.s.eps, seed, number, first, KEPT);
  place(f, v.s, v.w);
  to_values(f, v.g, v.w);
  log_density(f, v.g, v.w);
  int size = f.n + f.n_scales;
  for EACH_LANE(i, size)
    if (first + lane < n_values) values[(first + lane) * size + i] = i < f.n ? v.w.u[AT(i)] : v.w.sd[AT(i - f.n)];
  for EACH_LANE(one, 1)
    if (first + lane < n_draws) log_ratios[first + lane] = log_ratio(f, v.s, v.w, lane);
}

// Draws of the guides. values [gene][n_values][n + n_scales]; log_ratios [gene][n_draws]: log p - log q.
KERNEL twill_draws(GENES_PARAMETERS, double* guides, const u32* numbers, u64 seed, int n_draws, int n_values,
                   double* values, double* log_ratios, int n_genes, double* elsewhere, u64 stride) {
  OPEN;
  int parts = (n_draws + LANES - 1) / LANES;
  for EACH_ITEM(item, n_genes * parts) {
    int index = item / parts;
    open_views(v, genes, ints, reals, index, shared, elsewhere, stride);
    if (threadIdx.x == 0) {
      v.guide = guide_of(v.f, guides, index);
      v.s.m = v.guide.m, v.s.t = v.guide.t;
    }
    __syncthreads();
    u64 size = (u64)n_values * (v.f.n + v.f.n_scales);
    draw(v, seed, numbers[index], item % parts * LANES, n_draws, n_values, values + index * size,
         log_ratios + (u64)index * n_draws);
    __syncthreads();
  }
}
