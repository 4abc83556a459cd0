// Where guides start: maps centred at the modes, scales bent there, and the roots of the inverse Hessians. The CPU's
// definition is `lanes/start.rs`.

__device__ inline double ridge_at(int i) {
  const double ridges[N_RIDGES] = RIDGES;
  return ridges[i];
}

struct Starting {
  Frame& f;
  Gene& g;
  Work& w;
  Climb& c;
};

// Log densities at w.y, with gradients or without.
CALL void look(const Starting& s, bool with_gradient) {
  to_values(s.f, s.g, s.w);
  log_density(s.f, s.g, s.w);
  if (with_gradient) gradient(s.f, s.g, s.w);
  if (threadIdx.x == 0) *s.c.evaluations += 1;
}

// Rows of the Hessian of n coordinates from `first` on, from both sides of zero, two lanes each.
CALL void look_around(const Starting& s, int first, int n) {
  Work& w = s.w;
  int d = s.f.d;
  for EACH_LANE(i, d) {
    int of = i - first;
    bool own = of >= 0 && of < n && lane / 2 == of;
    w.y[AT(i)] = !own ? 0 : lane % 2 == 0 ? DIFFERENCE : -DIFFERENCE;
  }
  __syncthreads();
  look(s, true);
  for EACH(at, n * d) {
    const double* g = w.g + at % d * LANES + at / d * 2;
    s.c.rows[(first + at / d) * d + at % d] = -(g[0] - g[1]) / (2 * DIFFERENCE);
  }
}

// Gradient at zero, and rows `first` to d of the Hessian; the log density there. The first call has zero in its last lane.
CALL double differences(const Starting& s, int first) {
  int n = s.f.d - first < LANES / 2 - 1 ? s.f.d - first : LANES / 2 - 1;
  look_around(s, first, n);
  double value = s.w.value[LANES - 1];
  for EACH(i, s.f.d) s.c.gradient[i] = s.w.g[i * LANES + LANES - 1];
  __syncthreads();
  for (first += n; isfinite(value) && first < s.f.d; first += n) {
    n = s.f.d - first < LANES / 2 ? s.f.d - first : LANES / 2;
    look_around(s, first, n);
    __syncthreads();
  }
  return value;
}

// The scales' part of the Hessian, made symmetric.
__device__ inline void scales_hessian(const Starting& s) {
  int n = s.f.n, d = s.f.d;
  for (int i = 0; i < d - n; i++)
    for (int j = 0; j <= i; j++)
      s.c.a[LOWER(i, j)] = 0.5 * (s.c.rows[(n + i) * d + n + j] + s.c.rows[(n + j) * d + n + i]);
}

// Newton's direction for the scales, by themselves where the Hessian is not definite; the gradient for the others. Its
// decrement.
CALL void newton_direction(const Starting& s) {
  const Climb& c = s.c;
  int n = s.f.n, h = s.f.n_scales;
  for EACH(i, n) c.direction[i] = c.gradient[i];
  __syncthreads();
  if (threadIdx.x == 0) {
    double* scales = c.direction + n;
    scales_hessian(s);
    bool definite = factor_lower<true>(c.a, c.r, h, 0);
    for (int k = 0; k < h; k++)
      scales[k] = c.gradient[n + k] / (definite ? 1 : fmax(fabs(c.a[LOWER(k, k)]), MIN_CURVATURE));
    if (definite) solve_lower_twice(c.r, h, scales);
    for (int k = 0; k < h; k++) scales[k] = fmax(-LONGEST_STEP, fmin(LONGEST_STEP, scales[k]));
    double decrement = 0;
    for (int i = 0; i < s.f.d; i++) decrement += c.direction[i] * c.gradient[i];
    *c.decrement = decrement;
  }
  __syncthreads();
}

// The best of LANES step lengths along the direction; moves the centre there. Whether anything is gained.
CALL bool search(const Starting& s, double value) {
  Work& w = s.w;
  for EACH_LANE(i, s.f.d) w.y[AT(i)] = s.c.direction[i] / (double)(1 << lane);
  __syncthreads();
  look(s, false);
  int best = -1;
  for (int lane = 0; lane < LANES; lane++)
    if (w.value[lane] > value && (best < 0 || w.value[lane] >= w.value[best])) best = lane;
  if (best < 0) return false;
  for EACH(i, s.f.n) s.c.u[i] = w.u[i * LANES + best];
  // The scales are straight here.
  for EACH(k, s.f.n_scales) s.c.theta[k] = s.g.bend[BEND_SIZE * k] + w.y[(s.f.n + k) * LANES + best];
  __syncthreads();
  return true;
}

// Centre, gradient and steps until nothing is gained. Whether a finite density was found.
CALL bool climb(const Starting& s) {
  rough_centre(s.f, s.g, s.c);
  for (int round = 0; round < ROUNDS; round++) {
    centre_map(s.f, s.g, s.c);
    double value = differences(s, s.f.n);
    if (!isfinite(value)) return false;
    newton_direction(s);
    double decrement = *s.c.decrement;
    if (decrement < SMALL_DECREMENT || !search(s, value)) return isfinite(decrement);
  }
  return true;
}

// Inverse of the scales' Hessian to c.small, by one thread.
CALL void scales_covariance(const Starting& s) {
  const Climb& c = s.c;
  int h = s.f.n_scales;
  scales_hessian(s);
  for (int k = 0; k < h; k++) c.a[LOWER(k, k)] = fmax(c.a[LOWER(k, k)], MIN_CURVATURE);
  bool definite = false;
  for (int i = 0; i < N_RIDGES && !definite; i++) definite = factor_lower<true>(c.a, c.r, h, ridge_at(i));
  for (int k = 0; k < h; k++) {
    double* column = c.small + k * h;
    for (int i = 0; i < h; i++) column[i] = i == k;
    if (definite) solve_lower_twice(c.r, h, column);
  }
}

// Log densities on the grid of a bend, along the ridge of scale k.
CALL void look_along(const Starting& s, int k, double sd) {
  int h = s.f.n_scales;
  const double* ridge = s.c.small + k * h;
  for (int first = 0; first < GRID; first += LANES) {
    for EACH_LANE(i, s.f.d)
      s.w.y[AT(i)] = i < s.f.n ? 0 : ridge[i - s.f.n] / ridge[k] * sd * grid_at(first + lane);
    __syncthreads();
    look(s, false);
    for EACH(lane, LANES) s.c.profile[k * GRID + first + lane] = s.w.value[lane];
    __syncthreads();
  }
}

// Bends the coordinates of the scales about the mode.
CALL void bend_scales(const Starting& s) {
  int h = s.f.n_scales;
  if (threadIdx.x == 0) scales_covariance(s);
  __syncthreads();
  for (int k = 0; k < h; k++) look_along(s, k, fmin(sqrt(s.c.small[k * h + k]), LONGEST_SD));
  for EACH(k, h) {
    double sd = fmin(sqrt(s.c.small[k * h + k]), LONGEST_SD);
    fit_bend(s.g.bend[BEND_SIZE * k], sd, s.c.profile + k * GRID, s.c.bends + BEND_SIZE * k);
  }
  __syncthreads();
  for EACH(i, h * BEND_SIZE) s.g.bend[i] = s.c.bends[i];
  __syncthreads();
}

// Lower triangular root of the inverse of the Hessian in c.rows, from the factor of the matrix in reversed order: its
// inverse, transposed and in the order of the coordinates, is lower triangular again. A thread has rows of the root.
CALL bool inverse_root(const Starting& s, double* root) {
  const Climb& c = s.c;
  int d = s.f.d;
  for EACH(at, d * d) {
    int i = at / d, j = at % d, a = d - 1 - i, b = d - 1 - j;
    if (j <= i) c.a[LOWER(i, j)] = 0.5 * (c.rows[a * d + b] + c.rows[b * d + a]);
  }
  __syncthreads();
  bool definite = false;
  for (int i = 0; i < N_RIDGES && !definite; i++) definite = factor_lower<false>(c.a, c.r, d, ridge_at(i));
  if (!definite) return false;
  for EACH(i, d) {
    int b = d - 1 - i;
    for (int a = b; a < d; a++) {
      double sum = a == b;
      for (int k = b; k < a; k++) sum -= c.r[LOWER(a, k)] * root[LOWER(i, d - 1 - k)];
      root[LOWER(i, d - 1 - a)] = sum / c.r[LOWER(a, a)];
    }
  }
  __syncthreads();
  return true;
}

// A step of Newton from zero, no longer than a standard deviation, to the guide's mean.
CALL void newton_mean(const Starting& s, const double* root, double* mean) {
  const Climb& c = s.c;
  int d = s.f.d;
  for EACH(j, d) {
    double sum = 0;
    for (int i = j; i < d; i++) sum += root[LOWER(i, j)] * c.gradient[i];
    c.direction[j] = sum;
  }
  __syncthreads();
  double by = fmax(1.0, sqrt(inner(c.direction, c.direction, d, c.scratch)));
  for EACH(i, d) {
    double sum = 0;
    for (int j = 0; j <= i; j++) sum += root[LOWER(i, j)] * c.direction[j];
    mean[i] = sum / by;
  }
}

// The guide of the normal approximation at the mode. Whether there is one.
CALL bool guide_at_mode(const Starting& s, Guide& guide) {
  if (!isfinite(differences(s, 0))) return false;
  double strange = 0;
  for EACH(i, s.f.d * s.f.d) strange += !isfinite(s.c.rows[i]);
  if (block_sum(strange, s.c.scratch) > 0 || !inverse_root(s, guide.t)) return false;
  newton_mean(s, guide.t, guide.m);
  return true;
}

// Centres the maps of all genes, which their records keep, and sets their guides; those without a start have failed.
KERNEL twill_start(GENES_PARAMETERS, double* guides, int n_genes, double* elsewhere, u64 stride) {
  OPEN;
  for EACH_ITEM(index, n_genes) {
    open_views(v, genes, ints, reals, index, shared, elsewhere, stride);
    if (threadIdx.x == 0) {
      v.guide = guide_of(v.f, guides, index);
      lay_out(v.f, v.behind_work, v.climb);
      *v.climb.evaluations = 0;
    }
    __syncthreads();
    Starting s = {v.f, v.g, v.w, v.climb};
    bool found = climb(s);
    if (found) bend_scales(s);
    found = found && guide_at_mode(s, v.guide);
    if (threadIdx.x == 0) {
      *v.guide.evaluations = *v.climb.evaluations;
      if (!found) *v.guide.phase = FAILED;
    }
    __syncthreads();
  }
}
