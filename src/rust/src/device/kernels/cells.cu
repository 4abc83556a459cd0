// Log-likelihood and gradient of genes on sparse counts of cells, a batch of cells at a time: negative binomial.
//
//   eta_cg = s_gl + offset_c + covariates_c . gamma_g + log phi_g,    l the leaf of cell c
//   sum over counts of rate y (e - log(1 + e^e))  -  phi sum over nodes of mass log(1 + e^e),    e = eta - log phi
//
// The non-zero counts of a batch are read once. What all cells share with the zeros goes through nodes: points that stand
// for the cells of a leaf, by quadrature or as a sample. Cells are sorted by segments of one leaf; a count is 4 bytes,
// its cell's number in the segment above 16 bits of the count.

#define MAX_COVARIATES 8

struct Cells {
  int n_leaves, n_segments, n_cells, n_nodes, n_covariates;
  const int* leaf;        // [n_segments]
  const u32* first;       // [n_segments] first cell
  const double* rate;     // [n_segments] what a count of this segment stands for
  const real* offset;     // [n_cells]
  const real* covariate;  // [n_covariates][n_cells]
  const u32* node_start;  // [n_leaves + 1]
  const real *node_offset, *node_mass, *node_covariate;
};

// Sums of one thread.
struct Sums {
  double value, d_eta, d_phi, d_gamma[MAX_COVARIATES];
};

__device__ inline Sums no_sums() {
  Sums s;
  s.value = s.d_eta = s.d_phi = 0;
#pragma unroll
  for (int j = 0; j < MAX_COVARIATES; j++) s.d_gamma[j] = 0;
  return s;
}

__device__ inline real predictor(real from, const real* covariate, int stride, u32 at, const real* gamma, int n) {
  for (int j = 0; j < n; j++) from += covariate[(u64)j * stride + at] * gamma[j];
  return from;
}

__device__ inline void add(Sums& s, double value, double d_eta, double d_phi, const real* covariate, int stride, u32 at,
                           int n) {
  s.value += value, s.d_eta += d_eta, s.d_phi += d_phi;
#pragma unroll
  for (int j = 0; j < MAX_COVARIATES; j++)
    if (j < n) s.d_gamma[j] += d_eta * (double)covariate[(u64)j * stride + at];
}

// The counts of a gene in one segment, by the lanes of a warp.
__device__ inline Sums count_sums(const Cells& c, const u32* starts, const u32* entries, int segment, const real* gamma,
                                  real s) {
  Sums sums = no_sums();
  for (u32 i = starts[segment] + threadIdx.x % 32; i < starts[segment + 1]; i += 32) {
    u32 entry = entries[i], cell = c.first[segment] + (entry >> 16);
    real y = (real)(entry & 0xffffu);
    Softplus<real> e = softplus(predictor(s + c.offset[cell], c.covariate, c.n_cells, cell, gamma, c.n_covariates));
    double rest = c.rate[segment] * (double)(y * e.rest);
    add(sums, -c.rate[segment] * (double)(y * e.below), rest, -rest, c.covariate, c.n_cells, cell, c.n_covariates);
  }
  return sums;
}

// The nodes of one leaf likewise.
__device__ inline Sums node_sums(const Cells& c, int leaf, const real* gamma, real s, real phi) {
  Sums sums = no_sums();
  for (u32 i = c.node_start[leaf] + threadIdx.x % 32; i < c.node_start[leaf + 1]; i += 32) {
    real mass = phi * c.node_mass[i];
    Softplus<real> e = softplus(predictor(s + c.node_offset[i], c.node_covariate, c.n_nodes, i, gamma, c.n_covariates));
    add(sums, -(double)(mass * e.above), -(double)(mass * e.share), (double)(mass * e.slack), c.node_covariate,
        c.n_nodes, i, c.n_covariates);
  }
  return sums;
}

// Adds the sums of a warp to a place of its own: value, d_phi, d_gamma, and d_eta of the leaf. All threads call it.
__device__ inline void keep(const Cells& c, Sums sums, double* place, int leaf) {
  sums.value = warp_sum(sums.value), sums.d_eta = warp_sum(sums.d_eta), sums.d_phi = warp_sum(sums.d_phi);
  for (int j = 0; j < c.n_covariates; j++) sums.d_gamma[j] = warp_sum(sums.d_gamma[j]);
  if (threadIdx.x % 32 != 0 || leaf < 0) return;
  place[0] += sums.value, place[1] += sums.d_phi;
  for (int j = 0; j < c.n_covariates; j++) place[2 + j] += sums.d_gamma[j];
  place[2 + c.n_covariates + leaf] += sums.d_eta;
}

// One gene. `places` has a row per warp; rows are added in their order at the end.
__device__ inline void gene_cells(const Cells& c, const u32* starts, const u32* entries, int first, int end,
                                  const double* parameters, double* places, int size) {
  int warps = (blockDim.x + 31) / 32, warp = threadIdx.x / 32;
  double* place = places + warp * size;
  for EACH(i, warps * size) places[i] = 0;
  __syncthreads();
  real gamma[MAX_COVARIATES], phi = (real)exp(parameters[c.n_leaves + c.n_covariates]);
  for (int j = 0; j < c.n_covariates; j++) gamma[j] = (real)parameters[c.n_leaves + j];
  // As many rounds for each warp: all take part in the sums.
  for (int round = first; round < end; round += warps) {
    int segment = round + warp, leaf = segment < end ? c.leaf[segment] : -1;
    Sums sums = leaf < 0 ? no_sums() : count_sums(c, starts, entries, segment, gamma, (real)parameters[leaf]);
    keep(c, sums, place, leaf);
  }
  for (int round = 0; round < c.n_leaves; round += warps) {
    int leaf = round + warp < c.n_leaves ? round + warp : -1;
    keep(c, leaf < 0 ? no_sums() : node_sums(c, leaf, gamma, (real)parameters[leaf], phi), place, leaf);
  }
  __syncthreads();
}

// Value, d log phi, d gamma [n_covariates], d s [n_leaves] of each gene, from s, gamma and log phi [gene][...], on the
// counts of segments `first` to `end`. starts [gene][n_segments + 1]. But for the terms in ln Gamma.
KERNEL twill_cells(int n_leaves, int n_segments, int n_cells, int n_nodes, int n_covariates, const int* leaf,
                   const u32* segment_first, const double* rate, const real* offset, const real* covariate,
                   const u32* node_start, const real* node_offset, const real* node_mass, const real* node_covariate,
                   const u32* starts, const u32* entries, const double* parameters, double* out, int first, int end,
                   int n_genes) {
  SHARED_MEMORY(places);
  Cells c = {n_leaves, n_segments, n_cells,   n_nodes,    n_covariates, leaf,      segment_first,
             rate,     offset,     covariate, node_start, node_offset,  node_mass, node_covariate};
  int size = 2 + n_covariates + n_leaves, warps = (blockDim.x + 31) / 32;
  for EACH_ITEM(gene, n_genes) {
    const double* own = parameters + (u64)gene * (n_leaves + n_covariates + 1);
    gene_cells(c, starts + (u64)gene * (n_segments + 1), entries, first, end, own, places, size);
    for EACH(i, size) {
      double sum = 0;
      for (int w = 0; w < warps; w++) sum += places[w * size + i];
      out[(u64)gene * size + i] = sum;
    }
    __syncthreads();
  }
}
