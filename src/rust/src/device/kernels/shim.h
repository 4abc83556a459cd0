// Stands in for a GPU on the CPU: the kernels' source as C++, for tests.
//
// The threads of a block are fibers of one thread, each runs until the next barrier. The order in which they run
// between two barriers is forwards, backwards or mixed, as the caller says: a kernel that lacks a barrier gives
// different results. (Shuffles are barriers here, so what only they separate is not seen.) Blocks run one by one.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <vector>

#define __device__
#define __global__
#define __noinline__ inline
#define __restrict__
#define __launch_bounds__(...)
using std::asinh; using std::erfc; using std::exp; using std::expm1; using std::fabs; using std::fmax; using std::fmin; using std::isfinite;
using std::cos; using std::log; using std::log1p; using std::sin;
using std::sqrt; using std::tanh;

inline double cospi(double x) { return std::cos(3.141592653589793 * x); }
inline double sinpi(double x) { return std::sin(3.141592653589793 * x); }

struct Dimensions {
  unsigned x, y, z;
};
static Dimensions threadIdx, blockIdx, blockDim, gridDim;

namespace shim {

struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  bool done = false;
};

static ucontext_t scheduler;
static std::vector<Fiber> fibers;
static std::vector<double> shared, exchange;
static unsigned current;
static unsigned long block_number;
static void (*body)(void**);
static void** arguments;

inline void barrier() { swapcontext(&fibers[current].context, &scheduler); }

inline double shuffle_xor(double x, int distance) {
  exchange[threadIdx.x] = x;
  barrier();
  unsigned other = threadIdx.x ^ distance;
  double y = other < blockDim.x ? exchange[other] : 0;
  barrier();
  return y;
}

static void run_fiber() {
  body(arguments);
  fibers[current].done = true;
  barrier();
}

// Position in the order of the thread that runs as number i; `round` counts barriers.
inline unsigned ordered(unsigned i, unsigned n, unsigned round, unsigned order) {
  if (order == 1) return n - 1 - i;
  if (order == 2) return (i * 2654435761u + round * 40503u) % n;
  return i;
}

// All numbers below n in some order, also where the formula above has repeats.
inline void fill_order(std::vector<unsigned>& out, unsigned n, unsigned round, unsigned order) {
  std::vector<char> seen(n, 0);
  out.clear();
  for (unsigned i = 0; i < n; i++) {
    unsigned next = ordered(i, n, round, order);
    while (seen[next]) next = (next + 1) % n;
    seen[next] = 1;
    out.push_back(next);
  }
}

static void start(unsigned threads) {
  if (fibers.size() < threads) fibers.resize(threads);
  for (unsigned t = 0; t < threads; t++) {
    Fiber& fiber = fibers[t];
    if (fiber.stack.empty()) fiber.stack.resize(128 * 1024);
    fiber.done = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = fiber.stack.size();
    fiber.context.uc_link = &scheduler;
    makecontext(&fiber.context, run_fiber, 0);
  }
}

// Runs the threads of one block to their end. All reach the same barriers, or it stops with a message.
static void run_block(unsigned threads, unsigned order) {
  start(threads);
  std::vector<unsigned> turn;
  for (unsigned round = 0;; round++) {
    unsigned done = 0;
    fill_order(turn, threads, round, order);
    for (unsigned t : turn) {
      current = t;
      threadIdx.x = t;
      if (!fibers[t].done) swapcontext(&scheduler, &fibers[t].context);
      done += fibers[t].done;
    }
    if (done == threads) return;
    if (done > 0) {
      std::fprintf(stderr, "a barrier was reached by %u of %u threads\n", threads - done, threads);
      std::abort();
    }
  }
}

static void run_grid(void (*kernel)(void**), const unsigned* shape, void** values) {
  body = kernel, arguments = values;
  gridDim = {shape[0], shape[1], 1}, blockDim = {shape[2], 1, 1};
  exchange.assign(shape[2], 0);
  for (unsigned y = 0; y < shape[1]; y++)
    for (unsigned x = 0; x < shape[0]; x++) {
      blockIdx = {x, y, 0};
      block_number++;
      // What is in shared memory at the start of a block is not defined.
      shared.assign(shape[3] / sizeof(double) + 1, NAN);
      run_block(shape[2], shape[4]);
    }
}

}  // namespace shim

#define __syncthreads() shim::barrier()
#define SHUFFLE_XOR(x, distance) shim::shuffle_xor(x, distance)
#define INFINITE HUGE_VAL
#define SHARED_MEMORY(name) double* name = shim::shared.data()
// Not defined at the start of a block either.
#define SHARED_VALUE(type, name)                 \
  static type name;                              \
  static unsigned long name##_block = 0;         \
  if (name##_block != shim::block_number) {      \
    std::memset((void*)&name, 0xff, sizeof(name)); \
    name##_block = shim::block_number;           \
  }
// A kernel and how it is called with pointers to its arguments.
#define KERNEL static void
