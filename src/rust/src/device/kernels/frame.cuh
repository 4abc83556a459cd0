// Views of the arrays that the host packs (`pack.rs`), and the memory of a block of threads.
//
// A gene has LANES positions at a time. Arrays of positions have the lane last, and threads go through (item, lane)
// with the lane fastest, so that neighbours read neighbours.

#define AT(i) ((i) * LANES + lane)
// Threads of a block run (i, lane) for i below n.
#define EACH_LANE(i, n) \
  (int i##_ = threadIdx.x, i = i##_ / LANES, lane = i##_ % LANES; i < (n); \
   i##_ += blockDim.x, i = i##_ / LANES, lane = i##_ % LANES)

#define FRAME_INTS 8

// What genes share. Coordinates: the effects of n_blocks blocks of b, then the core of c: other effects, and last the
// p coefficients; then the scales: n_sd standard deviations and, for a negative binomial, the shape.
struct Frame {
  int p, n_sd, n_scales, n_blocks, b, c, n_leaves, is_negative_binomial;
  int n, d, n_in_blocks, first_coefficient, n_parts;
  const int* sd_of;        // [n] which standard deviation, -1 for coefficients
  const int* block_start;  // [n_blocks + 1] leaves of each block
  const int* block_leaf;   // [n_leaves]
  const int* leaf_block;   // [n_leaves]
  const double* zb;        // [n_leaves][b]
  const double* xc;        // [n_leaves][c]
};

CALL Frame frame_of(const int* ints, const double* reals) {
  Frame f;
  f.p = ints[0], f.n_sd = ints[1], f.n_scales = ints[2], f.n_blocks = ints[3], f.b = ints[4], f.c = ints[5];
  f.n_leaves = ints[6], f.is_negative_binomial = ints[7];
  f.n_in_blocks = f.n_blocks * f.b;
  f.n = f.n_in_blocks + f.c;
  f.d = f.n + f.n_scales;
  f.first_coefficient = f.n - f.p;
  f.n_parts = f.n_leaves < MAX_PARTS ? f.n_leaves : MAX_PARTS;
  f.sd_of = ints + FRAME_INTS;
  f.block_start = f.sd_of + f.n;
  f.block_leaf = f.block_start + f.n_blocks + 1;
  f.leaf_block = f.block_leaf + f.n_leaves;
  f.zb = reals;
  f.xc = f.zb + f.n_leaves * f.b;
  return f;
}

// One gene: a record of fixed length, and its rows. Of symmetric matrices the lower triangles are read.
struct Gene {
  double constant, shape_centre, excess;
  double* centre;                    // of the map, in the record: shape_centre, excess
  double *a_bb, *a_cb, *a_cc;        // information: [n_blocks][b][b], [n_blocks][c][b], [c][c]
  double* pull;                      // [n]
  const double *s, *v0;              // [c][c], [c] prior of the core as a quadratic
  const double* directions;          // [p][p] arguments of the coefficients' priors
  double* bend;                      // [n_scales][BEND_SIZE]
  const double* above;               // [DIRECT]
  const double* prior;               // [p + n_scales][PRIOR_SIZE]
  const u32* row_start;              // [n_leaves + 1]
  const real *offset, *weight, *total;
  int n_large;
  const double *large, *large_weight;
};

// All genes of a launch.
struct Genes {
  double* records;
  const u32* row_start;
  const real *offset, *weight, *total;
  const u32* large_start;
  const double *large, *large_weight;
};

__device__ inline int record_size(const Frame& f) {
  return 3 + f.n_blocks * f.b * (f.b + f.c) + 2 * f.c * f.c + f.n + f.c + f.p * f.p + BEND_SIZE * f.n_scales +
         DIRECT + (f.p + f.n_scales) * PRIOR_SIZE;
}

CALL Gene gene_of(const Frame& f, const Genes& all, int gene) {
  Gene g;
  double* r = all.records + (u64)gene * record_size(f);
  g.constant = r[0], g.shape_centre = r[1], g.excess = r[2];
  g.centre = r + 1;
  r += 3;
  g.a_bb = r, r += f.n_blocks * f.b * f.b;
  g.a_cb = r, r += f.n_blocks * f.c * f.b;
  g.a_cc = r, r += f.c * f.c;
  g.pull = r, r += f.n;
  g.s = r, r += f.c * f.c;
  g.v0 = r, r += f.c;
  g.directions = r, r += f.p * f.p;
  g.bend = r, r += BEND_SIZE * f.n_scales;
  g.above = r, r += DIRECT;
  g.prior = r;
  g.row_start = all.row_start + (u64)gene * (f.n_leaves + 1);
  g.offset = all.offset, g.weight = all.weight, g.total = all.total;
  g.n_large = (int)(all.large_start[gene + 1] - all.large_start[gene]);
  g.large = all.large + all.large_start[gene];
  g.large_weight = all.large_weight + all.large_start[gene];
  return g;
}

// What one evaluation of the target needs for LANES positions; each array [items][LANES].
struct Work {
  double *y, *g;                                // [d] position, gradient
  double *sd, *d_log, *slope, *bent, *curve;    // [n_scales]
  double *ks, *d_ks, *phi, *log_phi, *value;    // [1]
  double *scale_part;                           // [n_scales] log densities of the scales
  double *r_b, *x_b, *r_c;                      // factor: [n_blocks b b], [n_blocks c b], [c c]
  double *rbar_b, *xbar_b, *rbar_c;             // derivatives likewise
  double *t, *v, *u, *g_u, *w, *q;              // [n]
  double *d_eta;                                // [n_leaves]
  double *part_value, *part_d_phi, *part_core;  // [n_parts], [n_parts], [c][n_parts]
  double *rising, *d_rising;                    // [DIRECT]
  double *sd_part, *ks_part;                    // [n_blocks + 1][n_sd], [n_blocks + 1]
};

__device__ inline double* take(double*& memory, int items) {
  double* start = memory;
  memory += items * LANES;
  return start;
}

// Whether parts have several leaves.
__device__ inline bool has_many_leaves(const Frame& f) { return f.n_leaves > f.n_parts; }

// Lays the arrays out from `memory`, and returns where they end.
CALL double* lay_out(const Frame& f, double* memory, Work& w) {
  w.y = take(memory, f.d), w.g = take(memory, f.d);
  w.sd = take(memory, f.n_scales), w.d_log = take(memory, f.n_scales), w.slope = take(memory, f.n_scales);
  w.bent = take(memory, f.n_scales), w.curve = take(memory, f.n_scales), w.scale_part = take(memory, f.n_scales);
  w.ks = take(memory, 1), w.d_ks = take(memory, 1), w.phi = take(memory, 1), w.log_phi = take(memory, 1);
  w.value = take(memory, 1);
  int blocks = f.n_blocks * f.b * f.b, cross = f.n_blocks * f.c * f.b, core = f.c * f.c;
  w.r_b = take(memory, blocks), w.x_b = take(memory, cross), w.r_c = take(memory, core);
  w.rbar_b = take(memory, blocks), w.xbar_b = take(memory, cross), w.rbar_c = take(memory, core);
  w.t = take(memory, f.n), w.v = take(memory, f.n), w.u = take(memory, f.n);
  w.g_u = take(memory, f.n), w.w = take(memory, f.n), w.q = take(memory, f.n);
  w.d_eta = take(memory, f.n_leaves);
  w.part_value = take(memory, f.n_parts), w.part_d_phi = take(memory, f.n_parts);
  w.part_core = take(memory, has_many_leaves(f) ? f.c * f.n_parts : 0);
  w.rising = take(memory, DIRECT), w.d_rising = take(memory, DIRECT);
  w.sd_part = take(memory, (f.n_blocks + 1) * f.n_sd), w.ks_part = take(memory, f.n_blocks + 1);
  return memory;
}

// First leaf of a part; the end of the part before.
__device__ inline int part_start(const Frame& f, int part) { return (int)((u64)part * f.n_leaves / f.n_parts); }

// Scale of coordinate a: its standard deviation, 1 for a coefficient.
__device__ inline double scale_of(const Frame& f, const Work& w, int a, int lane) {
  return f.sd_of[a] < 0 ? 1.0 : w.sd[AT(f.sd_of[a])];
}
