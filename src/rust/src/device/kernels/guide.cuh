// The Gaussian guide of a gene, y = m + T eps, and natural-gradient steps uphill. The CPU's definition is
// `natural/steps.rs`.

#define PAIRS (LANES / 2)

// What lasts from step to step, in the card's memory; the host reads it at the end.
enum Phase { SEARCH, POLISH, CONVERGED, STOPPED, FAILED };
struct Guide {
  double *step, *phase, *polish_from;  // numbers of steps
  double* evaluations;                 // of the target, on the way to the start
  double *m, *t;                       // [d], lower triangle
  double *r_half, *m_half;             // [2][d], [2][lower]: sums over the halves of a window
};

// Constants of the ascent, from the host.
struct Rules {
  int window, polish_steps, max_steps;
  double rate, polish_offset, search_gain, polish_gain, max_residual, max_shift, max_turn;
};

__device__ inline int guide_size(const Frame& f) { return GUIDE_HEAD + 3 * (f.d + lower_size(f.d)); }

__device__ inline Guide guide_of(const Frame& f, double* all, int gene) {
  Guide g;
  double* start = all + (u64)gene * guide_size(f);
  g.step = start, g.phase = start + 1, g.polish_from = start + 2;
  g.evaluations = start + 3;
  g.m = start + GUIDE_HEAD;
  g.t = g.m + f.d;
  g.r_half = g.t + lower_size(f.d);
  g.m_half = g.r_half + 2 * f.d;
  return g;
}

__device__ inline Rules rules_of(const double* r) {
  Rules rules = {(int)r[0], (int)r[1], (int)r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9]};
  return rules;
}

// What a step needs besides the target's memory.
struct Step {
  double *eps, *r;           // [d][LANES]
  double *m, *t;             // the guide's, copied here
  double *r_mean, *turn;     // [d], lower triangle
  double *scratch;           // [32]
};

CALL double* lay_out(const Frame& f, double* memory, Step& s) {
  s.eps = take(memory, f.d), s.r = take(memory, f.d);
  int lower = lower_size(f.d);
  s.m = memory, s.t = s.m + f.d, s.r_mean = s.t + lower, s.turn = s.r_mean + f.d;
  s.scratch = s.turn + lower;
  return s.scratch + 32;
}

// Antithetic noise: lane PAIRS + i is minus lane i.
CALL void draw_pairs(const Frame& f, Step& s, u64 seed, u32 gene, u32 step) {
  int blocks = (f.d + 3) / 4;
  for EACH(i, blocks * PAIRS) {
    double four[4];
    int block = i / PAIRS, pair = i % PAIRS;
    normals(block, pair, step, gene, seed, four);
    for (int j = 0; j < 4 && 4 * block + j < f.d; j++) {
      s.eps[(4 * block + j) * LANES + pair] = four[j];
      s.eps[(4 * block + j) * LANES + PAIRS + pair] = -four[j];
    }
  }
  __syncthreads();
}

// Normals of the draws `first` to `first` + LANES - 1, to out [d][LANES].
CALL void fill_normals(const Frame& f, double* out, u64 seed, u32 gene, u32 first, u32 step) {
  for EACH_LANE(block, (f.d + 3) / 4) {
    double four[4];
    normals(block, first + lane, step, gene, seed, four);
    for (int j = 0; j < 4 && 4 * block + j < f.d; j++) out[AT(4 * block + j)] = four[j];
  }
  __syncthreads();
}

CALL void place(const Frame& f, const Step& s, Work& w) {
  for EACH_LANE(i, f.d) {
    double sum = s.m[i];
    for (int j = 0; j <= i; j++) sum += s.t[LOWER(i, j)] * s.eps[AT(j)];
    w.y[AT(i)] = sum;
  }
  __syncthreads();
}

// log p - log q at a draw.
CALL double log_ratio(const Frame& f, const Step& s, const Work& w, int lane) {
  double sum = w.value[lane] + 0.9189385332046727 * f.d;
  for (int i = 0; i < f.d; i++) sum += 0.5 * s.eps[AT(i)] * s.eps[AT(i)] + log(s.t[LOWER(i, i)]);
  return sum;
}

// The estimate of the ELBO: mean of the log ratios that are finite.
__device__ inline double bound(const Frame& f, const Step& s, const Work& w) {
  double sum = 0;
  int n = 0;
  for (int lane = 0; lane < LANES; lane++) {
    double ratio = log_ratio(f, s, w, lane);
    if (isfinite(ratio)) sum += ratio, n++;
  }
  return n == 0 ? -INFINITE : sum / n;
}

__device__ inline bool lane_is_finite(const Frame& f, const Work& w, int lane) {
  bool finite = isfinite(w.value[lane]);
  for (int i = 0; i < f.d; i++) finite = finite && isfinite(w.g[AT(i)]);
  return finite;
}

// r = T' g + eps, the path gradient in the frame of the guide; clipped, and 0 where the target has no value.
CALL void residuals(const Frame& f, Step& s, const Work& w, double max_norm) {
  for EACH_LANE(j, f.d) {
    double sum = s.eps[AT(j)];
    for (int i = j; i < f.d; i++) sum += s.t[LOWER(i, j)] * w.g[AT(i)];
    s.r[AT(j)] = sum;
  }
  __syncthreads();
  for EACH_LANE(i, 1) {
    double square = 0;
    for (int j = 0; j < f.d; j++) square += s.r[AT(j)] * s.r[AT(j)];
    double most = max_norm * sqrt((double)f.d), norm = sqrt(square);
    double factor = norm > most ? most / norm : 1;
    bool finite = lane_is_finite(f, w, lane) && isfinite(norm);
    for (int j = 0; j < f.d; j++) s.r[AT(j)] = finite ? s.r[AT(j)] * factor : 0;
  }
  __syncthreads();
}

// Means over the lanes: of r, and of (r eps' + eps r') / 2. Both are added to the half of the window.
CALL void average(const Frame& f, Step& s, Guide& g, int half) {
  for EACH(i, f.d) {
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += s.r[AT(i)];
    s.r_mean[i] = sum / LANES;
    g.r_half[half * f.d + i] += sum / LANES;
  }
  for EACH(at, f.d * f.d) {
    int i = at / f.d, j = at % f.d;
    if (j > i) continue;
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += s.r[AT(i)] * s.eps[AT(j)] + s.eps[AT(i)] * s.r[AT(j)];
    s.turn[LOWER(i, j)] = sum / (2 * LANES);
    g.m_half[half * lower_size(f.d) + LOWER(i, j)] += sum / (2 * LANES);
  }
  __syncthreads();
}

// Inner products of two vectors, and of two symmetric matrices given by their lower triangles. All threads call them.
CALL double inner(const double* a, const double* b, int n, double* scratch) {
  double sum = 0;
  for EACH(i, n) sum += a[i] * b[i];
  return block_sum(sum, scratch);
}
CALL double inner_symmetric(const Frame& f, const double* a, const double* b, double* scratch) {
  double sum = 0;
  for EACH(at, f.d * f.d) {
    int i = at / f.d, j = at % f.d;
    if (j <= i) sum += (i == j ? 1 : 2) * a[LOWER(i, j)] * b[LOWER(i, j)];
  }
  return block_sum(sum, scratch);
}

// m <- m + T r rate, T <- T (I + B rate), B the lower triangle of the turn with half of its diagonal; both bounded.
CALL void move(const Frame& f, Step& s, const Rules& rules, double rate) {
  double shift = rate * sqrt(inner(s.r_mean, s.r_mean, f.d, s.scratch));
  double turn = rate * sqrt(inner_symmetric(f, s.turn, s.turn, s.scratch));
  double by = shift > rules.max_shift ? rate * rules.max_shift / shift : rate;
  double turned = turn > rules.max_turn ? rate * rules.max_turn / turn : rate;
  __syncthreads();
  // Row i of the new T needs row i of the old one from column j on.
  for EACH(i, f.d) {
    double sum = 0;
    for (int j = 0; j <= i; j++) sum += s.t[LOWER(i, j)] * s.r_mean[j];
    s.m[i] += by * sum;
    for (int j = 0; j <= i; j++) {
      double product = 0.5 * s.t[LOWER(i, j)] * s.turn[LOWER(j, j)];
      for (int k = j + 1; k <= i; k++) product += s.t[LOWER(i, k)] * s.turn[LOWER(k, j)];
      s.t[LOWER(i, j)] += turned * product;
    }
  }
  __syncthreads();
}
