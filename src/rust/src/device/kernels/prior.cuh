// Priors of single parameters, as `prior.rs` has them: kind, arguments, log of the normalising constant.

enum PriorKind { FLAT, NORMAL, STUDENT_T, GAMMA, INV_GAMMA, LOG_NORMAL, UNIFORM, DOUBLE_EXPONENTIAL, HORSESHOE_SCALE };

// Log density and its derivative; minus infinity outside of the support.
CALL double log_prior(const double* prior, double x, double& slope) {
  double a = prior[1], b = prior[2], c = prior[3], constant = prior[4];
  slope = 0;
  switch ((int)prior[0]) {
    case FLAT: return constant;
    case NORMAL: {
      double d = (x - a) / b;
      slope = -d / b;
      return constant - 0.5 * d * d;
    }
    case STUDENT_T: {
      double d = (x - b) / c;
      slope = -(a + 1) * d / ((a + d * d) * c);
      return constant - 0.5 * (a + 1) * log1p(d * d / a);
    }
    case DOUBLE_EXPONENTIAL: {
      double d = (x - a) / b;
      slope = d >= 0 ? -1 / b : 1 / b;
      return constant - fabs(d);
    }
    case UNIFORM: return x >= a && x <= b ? constant : -INFINITE;
    case GAMMA: {
      if (!(x > 0)) return -INFINITE;
      slope = (a - 1) / x - b;
      return constant + (a - 1) * log(x) - b * x;
    }
    case INV_GAMMA: {
      if (!(x > 0)) return -INFINITE;
      slope = (b / x - a - 1) / x;
      return constant - (a + 1) * log(x) - b / x;
    }
    case LOG_NORMAL: {
      if (!(x > 0)) return -INFINITE;
      double d = (log(x) - a) / b;
      slope = -(d / b + 1) / x;
      return constant - 0.5 * d * d - log(x);
    }
    case HORSESHOE_SCALE: {
      // With u = (x / slab)^2 and v = 1 - u: v^(-1/2) / (tau^2 v + x^2), times 2 tau / pi.
      if (!(x > 0 && x < b)) return -INFINITE;
      double d_u = 2 * x / (b * b), v = (1 - x / b) * (1 + x / b), bulk = a * a * v + x * x;
      slope = 0.5 * d_u / v - (2 * x - a * a * d_u) / bulk;
      return constant - 0.5 * log(v) - log(bulk);
    }
  }
  return -INFINITE;
}

// A positive parameter at an unconstrained t: the parameter, d log(parameter) / dt, log density and Jacobian, and their
// derivative.
struct Positive {
  double value, log, d_log, log_density, slope;
};

// t = log r, r half-Cauchy of scale tau, the parameter r c / sqrt(c^2 + r^2).
__device__ inline Positive horseshoe_scale(double t, double tau, double slab) {
  double slack = 2 * (t - log(slab)), log_inverse = fmax(slack, 0.0) + log1p(exp(-fabs(slack)));
  double ratio = 2 * (t - log(tau)), share = 1 / (1 + exp(-ratio));
  Positive x;
  x.log = t - 0.5 * log_inverse;
  x.value = exp(x.log);
  x.d_log = 1 / (1 + exp(slack));
  // log(2 / pi) - log(1 + e^ratio) + log r / tau: the half-Cauchy's density over t.
  x.log_density = -0.45158270528945486 - fmax(ratio, 0.0) - log1p(exp(-fabs(ratio))) + 0.5 * ratio;
  x.slope = 1 - 2 * share;
  return x;
}

// t = log r, the parameter a + r w / (r + w) with w = b - a: between a and b.
__device__ inline Positive between(double t, double a, double b, double log_density) {
  double u = t - log(b - a), log_inverse = fmax(u, 0.0) + log1p(exp(-fabs(u))), rest = 1 / (1 + exp(u));
  double log_above = t - log_inverse, above = exp(log_above);
  Positive x;
  x.value = a + above;
  x.log = a > 0 ? log(x.value) : log_above;
  x.d_log = a > 0 ? rest * above / x.value : rest;
  x.log_density = log_density + t - 2 * log_inverse;
  x.slope = 2 * rest - 1;
  return x;
}

// t is the log of the parameter; for a standard deviation with a horseshoe's prior that of tau lambda, and with a uniform one as in
// `between`.
CALL Positive positive(const double* prior, double t, bool is_sd) {
  if (is_sd && (int)prior[0] == HORSESHOE_SCALE) return horseshoe_scale(t, prior[1], prior[2]);
  if ((int)prior[0] == UNIFORM) return between(t, fmax(prior[1], 0.0), prior[2], prior[4]);
  Positive x;
  double slope;
  x.value = exp(t);
  x.log = t;
  x.d_log = 1;
  x.log_density = log_prior(prior, x.value, slope) + t;
  x.slope = slope * x.value + 1;
  return x;
}
