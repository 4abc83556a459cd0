// Hamiltonian Monte Carlo in the frames of the guides: LANES chains of a gene in lockstep. The CPU's definition is
// `lanes/walks.rs`; how lanes make up chains is told by `genes/walks.rs`.

__device__ inline int steps_of(int rung) {
  const int ladder[N_LADDER] = LADDER;
  return ladder[rung];
}

struct Walking {
  const Frame& f;
  const Gene& g;
  Work& w;
  Step& s;
  Walk& walk;
  Trail& trail;
  const Plan& plan;
  u64 seed;
  u32 number, first;  // of the gene, and of the first lane
};

// Fresh momenta; the number of the step that made them. All threads get the same.
CALL u32 refresh(const Walking& k) {
  u32 step = MOMENTA | (u32)*k.walk.noise;
  fill_normals(k.f, k.trail.momentum, k.seed, k.number, k.first, step);
  if (threadIdx.x == 0) *k.walk.noise += 1;
  __syncthreads();
  return step;
}

// Log densities and residual gradients at the next positions.
CALL void look_next(const Walking& k) {
  place(k.f, k.s, k.w);
  evaluate(k.f, k.g, k.w);
  residuals(k.f, k.s, k.w, k.plan.max_residual);
  if (threadIdx.x == 0) *k.walk.evaluations += 1;
}

// Takes the next positions over in the lanes that do; the target was evaluated there last.
CALL void accept(const Walking& k) {
  const double* takes = k.trail.takes;
  for EACH_LANE(i, k.f.d) {
    if (takes[lane] == 0) continue;
    k.walk.position[AT(i)] = k.s.eps[AT(i)];
    k.walk.residual[AT(i)] = k.s.r[AT(i)];
    k.walk.values[AT(i)] = i < k.f.n ? k.w.u[AT(i)] : k.w.sd[AT(i - k.f.n)];
  }
  for EACH(lane, LANES)
    if (takes[lane] != 0) k.walk.density[lane] = k.w.value[lane];
  __syncthreads();
}

// A start at a finite density for each lane: draws of the guide, again for the lanes without.
CALL bool start_lanes(const Walking& k) {
  for EACH(lane, LANES) k.trail.found[lane] = 0;
  for (int i = 0; i < START_TRIES; i++) {
    refresh(k);
    for EACH_LANE(a, k.f.d) k.s.eps[a * LANES + lane] = k.trail.momentum[a * LANES + lane];
    __syncthreads();
    look_next(k);
    for EACH(lane, LANES) {
      k.trail.takes[lane] = k.trail.found[lane] == 0 && isfinite(k.w.value[lane]);
      if (k.trail.takes[lane] != 0) k.trail.found[lane] = 1;
    }
    __syncthreads();
    accept(k);
    int found = 0;
    for (int lane = 0; lane < LANES; lane++) found += k.trail.found[lane] != 0;
    if (found == LANES) return true;
  }
  return false;
}

// A kick, then a rotation.
CALL void advance(const Walking& k, double kick, double angle) {
  double c = cos(angle), s = sin(angle);
  for EACH_LANE(i, k.f.d) {
    double kicked = k.trail.momentum[AT(i)] + kick * k.s.r[AT(i)], q = k.s.eps[AT(i)];
    k.trail.momentum[AT(i)] = kicked * c - q * s;
    k.s.eps[AT(i)] = q * c + kicked * s;
  }
  __syncthreads();
}

__device__ inline double kinetic(const Walking& k, int lane) {
  double squares = 0;
  for (int i = 0; i < k.f.d; i++) squares += k.trail.momentum[AT(i)] * k.trail.momentum[AT(i)];
  return 0.5 * squares;
}

// A trajectory of n steps with the momenta at hand: energies lost on the way to k.trail.gain.
CALL void trajectory(const Walking& k, int n, double angle) {
  for EACH_LANE(i, k.f.d) k.s.eps[AT(i)] = k.walk.position[AT(i)], k.s.r[AT(i)] = k.walk.residual[AT(i)];
  for EACH(lane, LANES) k.trail.before[lane] = k.walk.density[lane] - kinetic(k, lane);
  __syncthreads();
  for (int i = 0; i < n; i++) {
    advance(k, i == 0 ? 0.5 * angle : angle, angle);
    look_next(k);
  }
  advance(k, 0.5 * angle, 0);
  for EACH(lane, LANES) {
    double gain = k.w.value[lane] - kinetic(k, lane) - k.trail.before[lane];
    k.trail.gain[lane] = gain == gain ? gain : -INFINITE;
  }
  __syncthreads();
}

// Number among the gene's draws of draw i of a lane; -1 where it is not needed.
__device__ inline int place_of(const Plan& plan, int lane, int i) {
  int chain = lane / plan.lanes, within = lane % plan.lanes * plan.each + i;
  return chain < plan.chains && within < plan.kept ? chain * plan.kept + within : -1;
}

// One transition of each lane; the sum of the probabilities of acceptance is added to those of the block. All threads call
// it.
CALL void transition(const Walking& k) {
  int n = steps_of((int)*k.walk.rung);
  u32 step = refresh(k);
  double share = SHORTEST + (LONGEST - SHORTEST) * uniform(k.first, 1, step, k.number, k.seed);
  trajectory(k, n, ANGLE * share / n);
  for EACH(lane, LANES)
    k.trail.takes[lane] = log(uniform(k.first + lane, 0, step, k.number, k.seed)) < k.trail.gain[lane];
  __syncthreads();
  accept(k);
  if (threadIdx.x == 0)
    for (int lane = 0; lane < LANES; lane++) *k.walk.accepted += fmin(exp(k.trail.gain[lane]), 1.0) / LANES;
}

// After iteration `done` of the warm-up: another number of steps at the end of a block, of which at least half was seen; at
// the end of all, lanes that accept too little are stuck. By one thread.
__device__ inline void adapt(const Walking& k, int done) {
  int length = (done - 1) % ADAPTED + 1;
  if (length < ADAPTED && done < k.plan.warmup) return;
  if (2 * length > ADAPTED) {
    double mean = *k.walk.accepted / length, target = k.plan.target;
    int rung = (int)*k.walk.rung + (mean < fmin(LOW_ACCEPTANCE, target) ? 2 : mean < target ? 1 : 0);
    if (mean > 1 - (1 - target) / NEARLY_ALL && rung > 0) rung--;
    *k.walk.rung = rung < N_LADDER ? rung : N_LADDER - 1;
    *k.walk.mean = mean;
  }
  *k.walk.accepted = 0;
  if (done == k.plan.warmup && *k.walk.mean < MIN_ACCEPTED) *k.walk.phase = STUCK;
}

// Iteration i after warm-up: its draws to values [draws][n + n_scales].
CALL void keep(const Walking& k, int i, double* values) {
  const Plan& plan = k.plan;
  if (i % plan.thin == 0)
    for EACH_LANE(a, k.f.d) {
      int place = place_of(plan, k.first + lane, i / plan.thin);
      if (place >= 0) values[(u64)place * k.f.d + a] = k.walk.values[AT(a)];
    }
  if (threadIdx.x == 0)
    for (int lane = 0; lane < LANES; lane++)
      if (place_of(plan, k.first + lane, i / plan.thin) >= 0 && k.trail.gain[lane] < -MAX_ENERGY_ERROR)
        *k.walk.divergent += 1;
  __syncthreads();
}

CALL void begin(const Walking& k) {
  bool found = start_lanes(k);
  if (threadIdx.x == 0) {
    *k.walk.rung = FIRST_RUNG;
    *k.walk.mean = 1;
    *k.walk.phase = found ? GOING : STUCK;
  }
  __syncthreads();
}

// Up to n iterations of a walk.
CALL void go_on(const Walking& k, int n, double* values) {
  if (*k.walk.phase == FRESH) begin(k);
  int end = k.plan.warmup + k.plan.each * k.plan.thin;
  for (int i = 0; i < n && *k.walk.phase == GOING; i++) {
    int done = (int)*k.walk.done;
    transition(k);
    __syncthreads();
    if (done >= k.plan.warmup) keep(k, done - k.plan.warmup, values);
    if (threadIdx.x == 0) {
      *k.walk.done = done + 1;
      if (done < k.plan.warmup) adapt(k, done + 1);
      if (done + 1 == end && *k.walk.phase == GOING) *k.walk.phase = DONE;
    }
    __syncthreads();
  }
}

// Up to n_iterations of all walks of all genes that have a guide. Draws to values [gene][chains * kept][n + n_scales],
// phases to phases [gene][walks].
KERNEL twill_walks(GENES_PARAMETERS, double* guides, const u32* numbers, const double* constants, double* walks,
                   double* values, double* phases, u64 seed, int n_iterations, int n_genes, double* elsewhere, u64 stride) {
  OPEN;
  Plan plan = plan_of(constants);
  for EACH_ITEM(item, n_genes * plan.walks) {
    int index = item / plan.walks;
    open_views(v, genes, ints, reals, index, shared, elsewhere, stride);
    if (threadIdx.x == 0) {
      v.guide = guide_of(v.f, guides, index);
      v.walk = walk_of(v.f, walks, item);
      v.s.m = v.guide.m, v.s.t = v.guide.t;
      lay_out(v.f, v.behind_step, v.trail);
      if (*v.guide.phase == FAILED) *v.walk.phase = STUCK;
    }
    __syncthreads();
    u32 first = item % plan.walks * plan.apart;
    Walking k = {v.f, v.g, v.w, v.s, v.walk, v.trail, plan, seed, numbers[index], first};
    go_on(k, n_iterations, values + (u64)index * plan.chains * plan.kept * v.f.d);
    if (threadIdx.x == 0) phases[item] = *v.walk.phase;
    __syncthreads();
  }
}
