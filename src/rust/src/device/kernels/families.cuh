// One row of a model: log-likelihood and derivatives in the linear predictor and the log dispersion, as `likelihood/` has
// them but for the terms that no row has alone.

enum RowFamily { GAUSSIAN_ROWS, NEGATIVE_BINOMIAL_ROWS, POISSON_ROWS };
#define ROWS_INTS 9
#define COLUMN_INTS 3

// Rows and their design, column by column. Linear predictors are differences from those at a reference, which stand in
// `offset`: what single precision loses is small beside the spread of the posterior, wherever it lies.
struct Rows {
  int n, n_x, n_w, n_terms, n_effects, n_dispersion, family, is_sampled, has;
  const int* term;     // [n_terms][COLUMN_INTS] coefficients per level, first effect, first column of z or -1
  const real* offset;  // [n]
  const real* total;   // [n] weighted counts; of a Gaussian, the response less its predictor at the reference
  const real* weight;  // [n]
  const real* count;   // [n] where each row has its own dispersion, if `has` says so; so the next two
  const real* square;  // [n] weighted squares around the responses
  const real* se2;     // [n] squared known standard errors
  const real *x, *w, *z;  // [n_x][n], [n_w][n] columns of the log dispersion, [all columns of terms][n]
  const u32* code;        // [n_terms][n]
};
#define HAS_COUNT 1
#define HAS_SQUARE 2
#define HAS_SE2 4

struct RowSums {
  double value, d_eta, d_log;  // d_log in the log dispersion
};

// A dispersion and its logarithm.
struct Scale {
  double natural, log;
};

// Of a Gaussian the variance, which may not be sampled.
__device__ inline Scale scale_from(const Rows& m, double log_dispersion) {
  Scale s;
  s.log = log_dispersion;
  s.natural = exp(m.family == GAUSSIAN_ROWS ? 2 * log_dispersion : log_dispersion);
  if (m.family == GAUSSIAN_ROWS && !m.is_sampled) s.natural = s.log = 0;
  return s;
}

__device__ inline RowSums gaussian_row(const Rows& m, int i, double eta, Scale s) {
  double weight = m.weight[i], residual = (double)m.total[i] - eta, known = 0, variance = s.natural, log_sd = s.log;
  if (m.has & HAS_SE2) {
    known = m.se2[i];
    variance += known;
    log_sd = 0.5 * log(variance);
  }
  double precision = 1 / variance, squares = weight * residual * residual;
  if (m.has & HAS_SQUARE) squares += m.square[i];
  RowSums r;
  r.value = -0.5 * squares * precision - weight * log_sd;
  r.d_eta = weight * residual * precision;
  r.d_log = (squares * precision - weight) * (s.natural * precision);
  return r;
}

// Sum over j below y of log(1 + j / phi), and of phi / (phi + j): ln Gamma(y + phi) - ln Gamma(phi) - y log phi, and its
// derivative in log phi plus y. Large phi loses no digits to y log phi.
__device__ inline void rising_row(double y, double phi, double& value, double& slope) {
  double few = y < DIRECT ? y : DIRECT;
  value = slope = 0;
  for (int j = 0; j < few; j++) {
    value += log1p(j / phi);
    slope += phi / (phi + j);
  }
  if (y <= DIRECT) return;
  double base = phi + DIRECT, d = y - DIRECT, top = base + d, ratio = log1p(d / base);
  value += (top - 0.5) * ratio + d * (log1p(DIRECT / phi) - 1) + stirling(1 / top) - stirling(1 / base);
  slope += phi * (ratio + 0.5 * d / (base * top) + d_stirling(1 / top) - d_stirling(1 / base));
}

// Where the mean is so small a part of phi that log(1 + mu / phi) is mu / phi to the last digit: products of a huge phi
// and a tiny quotient lose theirs.
__device__ inline bool is_nearly_poisson(double log_ratio) { return log_ratio < (sizeof(real) == 4 ? -17 : -37); }

__device__ inline RowSums negative_binomial_row(const Rows& m, int i, double eta, Scale s) {
  double total = m.total[i], weight = m.weight[i], mass = weight * s.natural, from = eta - s.log;
  Softplus<real> e = softplus((real)from);
  double above = mass * e.above, share = mass * e.share, slack = mass * e.slack;
  if (is_nearly_poisson(from)) {
    above = share = weight * (double)exp((real)eta);
    slack = 0;
  }
  RowSums r;
  r.value = -total * e.below - above;
  r.d_eta = total * e.rest - share;
  r.d_log = slack - total * e.rest;
  if (m.has & HAS_COUNT) {
    double value, slope;
    rising_row(m.count[i], s.natural, value, slope);
    r.value += weight * value + total * s.log;
    r.d_log += weight * slope;
  }
  return r;
}

__device__ inline RowSums poisson_row(const Rows& m, int i, double eta) {
  double total = m.total[i], mu = (double)m.weight[i] * (double)exp((real)eta);
  RowSums r;
  r.value = total * eta - mu;
  r.d_eta = total - mu;
  r.d_log = 0;
  return r;
}

__device__ inline RowSums row_sums(const Rows& m, int i, double eta, Scale s) {
  if (m.family == GAUSSIAN_ROWS) return gaussian_row(m, i, eta, s);
  return m.family == POISSON_ROWS ? poisson_row(m, i, eta) : negative_binomial_row(m, i, eta, s);
}
