// Log-likelihood and gradient of the rows of one model at several positions ("lanes") at once.
//
// Parameters are [coefficients, effects, log dispersions][lanes], results [value, derivatives in the parameters][lanes].
// Threads go through (row, lane) with the lane fastest; the number of lanes is a power of two up to 32. Three kernels:
//
//   twill_model_rows    derivatives in eta, row by row; sums over a chunk of rows of what all rows share
//   twill_model_levels  sums over some rows of one level of a term
//   twill_model_sums    adds those parts in their order

__device__ inline int warps_of_block() { return blockDim.x / 32; }

// The warp's item of n, -1 if there is none: all warps of a block take part in sums.
__device__ inline int item_of_warp(int n) {
  int item = blockIdx.x * warps_of_block() + threadIdx.x / 32;
  return item < n ? item : -1;
}

__device__ inline Rows rows_of(const int* ints, const real* offset, const real* total, const real* weight,
                               const real* count, const real* square, const real* se2, const real* x, const real* w,
                               const real* z, const u32* code) {
  Rows m;
  m.n = ints[0], m.n_x = ints[1], m.n_w = ints[2], m.n_terms = ints[3], m.n_effects = ints[4];
  m.n_dispersion = ints[5], m.family = ints[6], m.is_sampled = ints[7], m.has = ints[8];
  m.term = ints + ROWS_INTS;
  m.offset = offset, m.total = total, m.weight = weight, m.count = count, m.square = square, m.se2 = se2;
  m.x = x, m.w = w, m.z = z, m.code = code;
  return m;
}

// Linear predictor of a row; `at` is the parameters at the thread's lane.
__device__ inline double row_predictor(const Rows& m, const double* at, int i, int lanes) {
  double eta = m.offset[i];
  for (int j = 0; j < m.n_x; j++) eta += (double)m.x[(u64)j * m.n + i] * at[j * lanes];
  const double* effects = at + m.n_x * lanes;
  for (int k = 0; k < m.n_terms; k++) {
    const int* t = m.term + COLUMN_INTS * k;
    int first = t[1] + (int)m.code[(u64)k * m.n + i] * t[0];
    for (int c = 0; c < t[0]; c++) {
      double z = t[2] < 0 ? 1.0 : (double)m.z[(u64)(t[2] + c) * m.n + i];
      eta += z * effects[(first + c) * lanes];
    }
  }
  return eta;
}

// Log dispersion of a row likewise.
__device__ inline double row_log_dispersion(const Rows& m, const double* at, int i, int lanes) {
  double sum = 0;
  for (int j = 0; j < m.n_w; j++) sum += (double)m.w[(u64)j * m.n + i] * at[j * lanes];
  return sum;
}

// Sum over the threads of a warp that have the same lane, in each of them. All threads of the block call it.
__device__ inline double lane_sum(double x, int lanes) {
  for (int distance = 16; distance >= lanes; distance /= 2) x += SHUFFLE_XOR(x, distance);
  return x;
}

// Sums over the threads of a block to part[lane]. All threads call it.
CALL void keep_block_sum(double x, int lanes, double* scratch, double* part) {
  x = lane_sum(x, lanes);
  int lane = threadIdx.x % 32;
  __syncthreads();
  if (lane < lanes) scratch[threadIdx.x / 32 * lanes + lane] = x;
  __syncthreads();
  for EACH(i, lanes) {
    double sum = 0;
    for (int w = 0; w < warps_of_block(); w++) sum += scratch[w * lanes + i];
    part[i] = sum;
  }
}

// Chunk of rows of a block, as its threads go through it.
struct Chunk {
  int lanes, lane, first, end, step, number, n_chunks;
};

__device__ inline Chunk chunk_of(const Rows& m, int lanes, int size, int threads) {
  Chunk c;
  c.lanes = lanes, c.lane = threadIdx.x % lanes, c.step = threads / lanes;
  c.first = blockIdx.x * size;
  c.end = c.first + size < m.n ? c.first + size : m.n;
  c.number = blockIdx.x, c.n_chunks = gridDim.x;
  return c;
}

// Place of the parts of what all rows share: the value, the coefficients, the dispersions.
__device__ inline double* part_of(const Chunk& c, double* parts, int item) {
  return parts + ((u64)item * c.n_chunks + c.number) * c.lanes;
}

// Rows one by one: derivatives to d_eta and d_log [n][lanes], sums of values and of the one dispersion's derivatives.
__device__ inline void each_row(const Rows& m, const Chunk& c, const double* at, real* d_eta, real* d_log,
                                double& value, double& slope) {
  const double* dispersion = at + (m.n_x + m.n_effects) * c.lanes;
  Scale s = scale_from(m, m.n_w == 0 && m.n_dispersion > 0 ? dispersion[0] : 0);
  for (int i = c.first + threadIdx.x / c.lanes; i < c.end; i += c.step) {
    if (m.n_w > 0) s = scale_from(m, row_log_dispersion(m, dispersion, i, c.lanes));
    RowSums r = row_sums(m, i, row_predictor(m, at, i, c.lanes), s);
    value += r.value;
    slope += r.d_log;
    if (d_eta) d_eta[(u64)i * c.lanes + c.lane] = (real)r.d_eta;
    if (d_eta && m.n_w > 0) d_log[(u64)i * c.lanes + c.lane] = (real)r.d_log;
  }
}

// Sums over the rows of the chunk of each column times derivatives.
__device__ inline void each_column(const Rows& m, const Chunk& c, const real* d_eta, const real* d_log, double* scratch,
                                   double* parts) {
  for (int j = 0; j < m.n_x + m.n_w; j++) {
    bool is_x = j < m.n_x;
    const real *column = is_x ? m.x + (u64)j * m.n : m.w + (u64)(j - m.n_x) * m.n, *d = is_x ? d_eta : d_log;
    double sum = 0;
    for (int i = c.first + threadIdx.x / c.lanes; i < c.end; i += c.step)
      sum += (double)column[i] * (double)d[(u64)i * c.lanes + c.lane];
    keep_block_sum(sum, c.lanes, scratch, part_of(c, parts, 1 + j));
  }
}

#define ROWS_PARAMETERS                                                                                            \
  const int *ints, const real *offset, const real *total, const real *weight, const real *count,                   \
      const real *square, const real *se2, const real *x, const real *w, const real *z, const u32 *code
#define ROWS rows_of(ints, offset, total, weight, count, square, se2, x, w, z, code)

// Parts [1 + n_x + dispersions][chunks][lanes]. Without gradients the value alone.
KERNEL twill_model_rows(ROWS_PARAMETERS, const double* parameters, real* d_eta, real* d_log, double* parts, int lanes,
                        int chunk_size, int with_gradient) {
  SHARED_MEMORY(scratch);
  Rows m = ROWS;
  Chunk c = chunk_of(m, lanes, chunk_size, blockDim.x);
  double value = 0, slope = 0;
  each_row(m, c, parameters + c.lane, with_gradient ? d_eta : 0, d_log, value, slope);
  // Its barriers also end the writing of the derivatives.
  keep_block_sum(value, lanes, scratch, part_of(c, parts, 0));
  if (!with_gradient) return;
  if (m.n_w == 0 && m.n_dispersion > 0) keep_block_sum(slope, lanes, scratch, part_of(c, parts, 1 + m.n_x));
  each_column(m, c, d_eta, d_log, scratch, parts);
}

// Parts of levels: `segments` [n][4] are term, first of the rows in `order`, their number, and place of the part.
KERNEL twill_model_levels(ROWS_PARAMETERS, const u32* order, const int* segments, const real* d_eta, double* parts,
                          int lanes, int n_segments, int most_columns) {
  Rows m = ROWS;
  int segment = item_of_warp(n_segments), lane = threadIdx.x % lanes;
  const int* s = segments + 4 * (segment < 0 ? 0 : segment);
  const int* t = m.term + COLUMN_INTS * s[0];
  for (int c = 0; c < most_columns; c++) {
    bool is_there = segment >= 0 && c < t[0];
    const real* z = t[2] < 0 ? 0 : m.z + (u64)(t[2] + c) * m.n;
    double sum = 0;
    for (int k = threadIdx.x % 32 / lanes; is_there && k < s[2]; k += 32 / lanes) {
      u32 i = order[(u64)s[0] * m.n + s[1] + k];
      sum += (z ? (double)z[i] : 1.0) * (double)d_eta[(u64)i * lanes + lane];
    }
    sum = lane_sum(sum, lanes);
    if (is_there && (int)threadIdx.x % 32 < lanes) parts[(u64)(s[3] + c) * lanes + lane] = sum;
  }
}

// Each of n results from its parts: `places` [n][3] are the first, their number, and the distance between them.
KERNEL twill_model_sums(const int* places, const double* parts, double* out, int lanes, int n) {
  int item = item_of_warp(n), lane = threadIdx.x % lanes;
  const int* p = places + 3 * (item < 0 ? 0 : item);
  double sum = 0;
  for (int k = threadIdx.x % 32 / lanes; item >= 0 && k < p[1]; k += 32 / lanes)
    sum += parts[((u64)p[0] + (u64)k * p[2]) * lanes + lane];
  sum = lane_sum(sum, lanes);
  if (item >= 0 && (int)threadIdx.x % 32 < lanes) out[item * lanes + lane] = sum;
}
