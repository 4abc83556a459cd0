// What the kernels of genes share: their parameters, and views of one gene's arrays and of a block's memory.

#define GENES_PARAMETERS                                                                                        \
  const int *ints, const double *reals, double *records, const u32 *row_start, const real *offset,        \
      const real *weight, const real *total, const u32 *large_start, const double *large, const double *large_weight

// What the threads of a block look at, in shared memory: in each thread's own it would cost its registers.
struct Views {
  Frame f;
  Gene g;
  Work w;
  double *behind_work, *behind_step;  // memory for a step or for the way to a start, and for a walk
  Step s;
  Climb climb;
  Walk walk;
  Trail trail;
  Guide guide;
  Rules rules;
};

// Fills the views of one gene. Memory to work in is shared, or where that is too small the card's, `stride` numbers per
// block. All threads call it.
__device__ inline void open_views(Views& v, const Genes& genes, const int* ints, const double* reals, int index,
                                  double* shared, double* elsewhere, u64 stride) {
  if (threadIdx.x == 0) {
    v.f = frame_of(ints, reals);
    v.g = gene_of(v.f, genes, index);
    double* memory = elsewhere ? elsewhere + blockIdx.x * stride : shared;
    v.behind_work = lay_out(v.f, memory, v.w);
    v.behind_step = lay_out(v.f, v.behind_work, v.s);
  }
  __syncthreads();
}
#define OPEN                                                                                             \
  SHARED_MEMORY(shared);                                                                                 \
  SHARED_VALUE(Views, v);                                                                                \
  Genes genes = {records, row_start, offset, weight, total, large_start, large, large_weight}
// Work in `elsewhere` is for as many blocks as are started: each takes every gridDim.x-th item.
#define EACH_ITEM(item, n) (int item = blockIdx.x; item < (n); item += gridDim.x)
