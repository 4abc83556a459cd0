// Small symmetric matrices of one gene: lower triangles, row by row.

#define LOWER(i, j) ((i) * ((i) + 1) / 2 + (j))

__device__ inline int lower_size(int d) { return d * (d + 1) / 2; }

// Cholesky factor r of a plus a ridge; false if that is not definite. By all threads of the block, or by one alone.
template <bool ALONE>
CALL bool factor_lower(const double* a, double* r, int n, double ridge) {
  int first = ALONE ? 0 : (int)threadIdx.x, by = ALONE ? 1 : (int)blockDim.x;
  for (int j = 0; j < n; j++) {
    for (int i = j + first; i < n; i += by) {
      double sum = 0;
      for (int k = 0; k < j; k++) sum += r[LOWER(i, k)] * r[LOWER(j, k)];
      r[LOWER(i, j)] = a[LOWER(i, j)] - sum + (i == j ? ridge : 0);
    }
    if (!ALONE) __syncthreads();
    double pivot = r[LOWER(j, j)];
    if (!ALONE) __syncthreads();
    if (!(pivot > MIN_PIVOT)) return false;
    for (int i = j + first; i < n; i += by) r[LOWER(i, j)] = i == j ? sqrt(pivot) : r[LOWER(i, j)] / sqrt(pivot);
    if (!ALONE) __syncthreads();
  }
  return true;
}

// x <- (r r')^-1 x, by one thread.
CALL void solve_lower_twice(const double* r, int n, double* x) {
  for (int i = 0; i < n; i++) {
    double sum = 0;
    for (int k = 0; k < i; k++) sum += r[LOWER(i, k)] * x[k];
    x[i] = (x[i] - sum) / r[LOWER(i, i)];
  }
  for (int i = n - 1; i >= 0; i--) {
    double sum = 0;
    for (int k = i + 1; k < n; k++) sum += r[LOWER(k, i)] * x[k];
    x[i] = (x[i] - sum) / r[LOWER(i, i)];
  }
}
