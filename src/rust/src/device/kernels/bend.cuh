// Bent coordinates of the scales, from quantiles of the density along their ridges. The CPU's definition is
// `natural/bend.rs`; here a thread has one scale.

#define KNOTS (2 * N_FAR_KNOTS)

// Distance i from the mode, in standard deviations, where the density is asked for.
__device__ inline double grid_at(int i) {
  double from = i - 0.5 * (GRID - 1);
  return GRID_LINEAR * from + GRID_CUBIC * from * from * from;
}

// Positive and falling half of the knots, where quantiles are matched.
__device__ inline double knot_at(int i) {
  const double far[N_FAR_KNOTS] = FAR_KNOTS;
  return i < N_FAR_KNOTS ? -far[i] : far[KNOTS - 1 - i];
}

// A density that is exponential between the points of the grid and beyond.
struct Exponential {
  double l[GRID], below[GRID], left, right, total;
};

__device__ inline double slope_between(const Exponential& e, int i) {
  return (e.l[i + 1] - e.l[i]) / (grid_at(i + 1) - grid_at(i));
}

// Integral of exp(l + slope t) from 0 to width, and where it reaches a mass.
__device__ inline double mass_until(double l, double slope, double width) {
  double t = slope * width;
  return exp(l) * (fabs(t) < LEVEL ? width : expm1(t) / slope);
}
__device__ inline double distance_to(double mass, double l, double slope) {
  double m = mass * exp(-l);
  return fabs(slope * m) < LEVEL ? m : log1p(slope * m) / slope;
}

// False if the log densities say nothing.
CALL bool exponential_of(const double* log_density, Exponential& e) {
  double top = -INFINITE;
  for (int i = 0; i < GRID; i++) {
    if (log_density[i] != log_density[i]) return false;
    top = fmax(top, log_density[i]);
  }
  if (!isfinite(top)) return false;
  for (int i = 0; i < GRID; i++) e.l[i] = fmax(log_density[i] - top, LOWEST);
  e.left = e.l[0] < NEGLIGIBLE ? 1 : slope_between(e, 0);
  e.right = e.l[GRID - 1] < NEGLIGIBLE ? 1 : -slope_between(e, GRID - 2);
  if (!(e.left > 0 && e.right > 0)) return false;
  e.below[0] = exp(e.l[0]) / e.left;
  for (int i = 1; i < GRID; i++)
    e.below[i] = e.below[i - 1] + mass_until(e.l[i - 1], slope_between(e, i - 1), grid_at(i) - grid_at(i - 1));
  e.total = e.below[GRID - 1] + exp(e.l[GRID - 1]) / e.right;
  return true;
}

// The quantile that a standard normal has at x.
CALL double quantile_at(const Exponential& e, double x) {
  double p = 0.5 * erfc(-x / 1.4142135623730951) * e.total;
  if (p <= e.below[0]) return grid_at(0) + log(p / e.below[0]) / e.left;
  if (p >= e.below[GRID - 1])
    return grid_at(GRID - 1) - log((e.total - p) / (e.total - e.below[GRID - 1])) / e.right;
  int i = GRID - 1;
  while (i > 0 && !(e.below[i] < p)) i--;
  return grid_at(i) + distance_to(p - e.below[i], e.l[i], slope_between(e, i));
}

// Least squares of the quantiles on the first n - 1 of 1, x, A(x) and h's part, the last column A + sign times that part
// where n is 3.
CALL bool match_knots(const double* quantiles, int n, double sign, double* out) {
  double a[10] = {0}, r[10];
  for (int i = 0; i < n; i++) out[i] = 0;
  for (int knot = 0; knot < KNOTS; knot++) {
    double x = knot_at(knot), skew = 0.5 * x * x, both = 0.5 * (x * sqrt(1 + x * x) + asinh(x));
    double basis[4] = {1, x, n == 3 ? both + sign * skew : both, skew};
    for (int i = 0; i < n; i++) {
      out[i] += basis[i] * quantiles[knot];
      for (int j = 0; j <= i; j++) a[LOWER(i, j)] += basis[i] * basis[j];
    }
  }
  if (!factor_lower<true>(a, r, n, 0)) return false;
  solve_lower_twice(r, n, out);
  return true;
}

// m, s, g, h; fewer of them where the map would not rise everywhere.
CALL bool match_quantiles(const double* quantiles, double* out) {
  if (!match_knots(quantiles, 4, 0, out)) return false;
  if (out[2] >= fabs(out[3])) return true;
  double sign = out[3] < 0 ? -1 : 1;
  if (!match_knots(quantiles, 3, sign, out)) return false;
  if (out[2] >= 0) {
    out[3] = sign * out[2];
    return true;
  }
  if (!match_knots(quantiles, 2, 0, out)) return false;
  out[2] = out[3] = 0;
  return true;
}

// The bend of a scale with this mode and standard deviation; straight where the log densities cannot be used.
CALL void fit_bend(double mode, double sd, const double* log_density, double* bend) {
  Exponential e;
  double quantiles[KNOTS], m[4];
  bool usable = exponential_of(log_density, e);
  for (int i = 0; usable && i < KNOTS; i++) quantiles[i] = quantile_at(e, knot_at(i));
  usable = usable && match_quantiles(quantiles, m);
  bend[0] = usable ? mode + sd * m[0] : mode;
  bend[1] = usable ? sd * fmax(m[1], MIN_SLOPE) : sd;
  bend[2] = usable ? sd * m[2] : 0;
  bend[3] = usable ? sd * m[3] : 0;
}
