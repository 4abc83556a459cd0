// What all kernels use: names of types, sums over the threads of a block, and functions that keep their digits.
//
// TWILL_REAL is float or double. A sum over rows is taken in double precision whatever it is, and always in the
// same order: the same data and seed give the same bits on the same card.

#ifndef TWILL_SHIM
#define SHUFFLE_XOR(x, distance) __shfl_xor_sync(0xffffffffu, x, distance)
#define INFINITE __longlong_as_double(0x7ff0000000000000LL)
#define SHARED_MEMORY(name) extern __shared__ double name[]
#define SHARED_VALUE(type, name) __shared__ type name
#define KERNEL extern "C" __global__ void
#endif

// A function that is called: written into each place of its use the kernels would compile for minutes.
#define CALL __device__ __noinline__

typedef TWILL_REAL real;
typedef unsigned int u32;
typedef unsigned long long u64;

// Threads of a block run the iterations i, i + blockDim.x, ... of a loop.
#define EACH(i, n) (int i = threadIdx.x; i < (n); i += blockDim.x)

// Sum over the lanes of a warp, the same bits in each lane. All threads of the block call it.
__device__ inline double warp_sum(double x) {
  for (int distance = 16; distance > 0; distance /= 2) x += SHUFFLE_XOR(x, distance);
  return x;
}

// Sum over the threads of a block, the same in each. `scratch` has a place for each warp. All threads call it.
CALL double block_sum(double x, double* scratch) {
  x = warp_sum(x);
  int warps = (blockDim.x + 31) / 32;
  if (warps == 1) return x;
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  double total = 0;
  for (int w = 0; w < warps; w++) total += scratch[w];
  return total;
}

template <typename T>
struct Softplus {
  T above;  // log(1 + e^u)
  T below;  // log(1 + e^-u)
  T share;  // 1 / (1 + e^-u)
  T rest;   // 1 / (1 + e^u)
  T slack;  // share - above, which goes like -e^(2 u) / 2 and not to the difference of two e^u
};

template <typename T>
__device__ inline Softplus<T> softplus(T u) {
  T e = exp(-fabs(u)), log1p_e = log1p(e), one = 1 / (1 + e), other = e * one;
  Softplus<T> s;
  s.above = (u > 0 ? u : T(0)) + log1p_e;
  s.below = (u > 0 ? T(0) : -u) + log1p_e;
  s.share = u > 0 ? one : other;
  s.rest = u > 0 ? other : one;
  s.slack = s.share - s.above;
  // sum over n >= 2 of (-1)^(n-1) (n - 1) / n e^n
  if (u < 0 && e < T(0.02))
    s.slack = -e * e * (T(0.5) - e * (T(2.0 / 3) - e * (T(0.75) - e * (T(0.8) - e * T(5.0 / 6)))));
  return s;
}

// ln Gamma(x) - [(x - 1/2) log x - x + log(2 pi) / 2] for r = 1 / x, x >= 16, and its derivative in x.
__device__ inline double stirling(double r) {
  double s = r * r;
  return r * (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s / 1188))));
}
__device__ inline double d_stirling(double r) {
  double s = r * r;
  return -s * (1.0 / 12 - s * (1.0 / 120 - s * (1.0 / 252 - s * (1.0 / 240 - s / 132))));
}
