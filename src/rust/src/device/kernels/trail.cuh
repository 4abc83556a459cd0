// What chains of Hamiltonian Monte Carlo have in memory (`walks.cu`).

// How lanes make up chains, and how long they go; from the host.
struct Plan {
  int chains, kept, lanes, each, thin, warmup;  // lanes and draws of each per chain; iterations
  int walks, apart;                             // walks of a gene, and numbers between their first lanes
  double target, max_residual;
};

__device__ inline Plan plan_of(const double* p) {
  Plan plan = {(int)p[0], (int)p[1], (int)p[2], (int)p[3], (int)p[4], (int)p[5], (int)p[6], (int)p[7], p[8], p[9]};
  return plan;
}

// What lasts from launch to launch, in the card's memory.
enum WalkPhase { FRESH, GOING, DONE, STUCK };
struct Walk {
  double *phase, *done, *noise, *rung;               // iterations, numbers of steps of the noise
  double *accepted, *mean, *divergent, *evaluations;
  double *position, *residual, *values, *density;    // [d], [d], [n + n_scales], [1] x [LANES]
};

__device__ inline int walk_size(const Frame& f) { return WALK_HEAD + (3 * f.d + 1) * LANES; }

CALL Walk walk_of(const Frame& f, double* all, int number) {
  Walk k;
  double* start = all + (u64)number * walk_size(f);
  k.phase = start, k.done = start + 1, k.noise = start + 2, k.rung = start + 3;
  k.accepted = start + 4, k.mean = start + 5, k.divergent = start + 6, k.evaluations = start + 7;
  k.position = start + WALK_HEAD;
  k.residual = k.position + f.d * LANES, k.values = k.residual + f.d * LANES, k.density = k.values + f.d * LANES;
  return k;
}

// What a trajectory needs besides the target's and a step's memory, which has the next positions and residuals.
struct Trail {
  double* momentum;                       // [d][LANES]
  double *before, *gain, *takes, *found;  // [LANES]
};

CALL double* lay_out(const Frame& f, double* memory, Trail& t) {
  t.momentum = take(memory, f.d);
  t.before = take(memory, 1), t.gain = take(memory, 1), t.takes = take(memory, 1), t.found = take(memory, 1);
  return memory;
}
